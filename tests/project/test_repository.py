"""The repository's address is one value in pyproject.toml, and `make set-repository` changes every copy of it."""

import re
import runpy

import pytest


@pytest.fixture(scope="module")
def tools(root):
    return runpy.run_path(str(root / "workflow" / "set_repository.py"))


def other_addresses(texts, owner, name):
    """Return the places that name this repository under another owner."""
    patterns = (
        rf"github\.com/([\w.-]+)/{name}(?![\w-])",
        rf"([\w-]+)\.github\.io/{name}(?![\w-])",
        rf"\b(?:github|v2/gh|codespaces\.new)/([\w.-]+)/{name}(?![\w-])",
    )
    return [
        f"{path}: {match[0]}"
        for path, text in texts.items()
        for pattern in patterns
        for match in re.finditer(pattern, text)
        if match[1] != owner and "NAME/REPOSITORY" not in match[0]
    ]


def test_every_copy_is_the_same(texts, tools):
    owner, name = tools["owner_and_name"](tools["address"]())
    copied = {path: text for path, text in texts.items() if path.name != "test_repository.py"}
    assert other_addresses(copied, owner, name) == []


def test_every_colab_button_opens_a_file_of_this_repository(root, texts, tools):
    owner, name = tools["owner_and_name"](tools["address"]())
    for path, text in texts.items():
        for target in re.findall(r"colab\.research\.google\.com/github/([\w./-]+\.ipynb)", text):
            match = re.fullmatch(rf"{owner}/{name}/blob/[\w.-]+/(.+)", target)
            assert match, f"{path}: {target}"
            assert (root / match[1]).is_file(), f"{path}: {target}"


def test_set_repository_rewrites_every_copy(texts, tools, tmp_path):
    old, new = tools["address"](), "https://github.com/a-lab/cka-again"
    before = {path: text for path, text in texts.items() if path.name != "test_repository.py"}
    for path, text in before.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(text.encode("utf-8"))
    changed = tools["rewrite"]([tmp_path / path for path in before], old, new)
    assert tools["address"](tmp_path) == new
    assert {path.relative_to(tmp_path).as_posix() for path in changed} >= {
        "pyproject.toml",
        "CITATION.cff",
        "README.md",
    }
    slug = "/".join(tools["owner_and_name"](old))
    left = {
        path
        for path in before
        if re.search(rf"(?<![\w.-]){re.escape(slug)}(?![\w-])", (tmp_path / path).read_text("utf-8"))
    }
    assert left == set()
    assert "https://a-lab.github.io/cka-again/" in (tmp_path / "README.md").read_text("utf-8")
    assert 'name = "repsim-revisited"' in (tmp_path / "pyproject.toml").read_text("utf-8")


@pytest.mark.parametrize(
    "url", ["github.com/a/b", "https://github.com/a", "https://example.org/a/b", "https://github.com/a/b/c", ""]
)
def test_other_addresses_are_refused(tools, url):
    with pytest.raises(SystemExit, match="is not of the form"):
        tools["owner_and_name"](url)
