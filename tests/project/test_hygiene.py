"""What no file of the project may contain, and what each must."""

import json
import re

import pytest

TOO_LARGE = 10 * 2**20


def search(texts, pattern, *, but=()):
    """Return "path:line: text" of every match."""
    return [
        f"{path}:{number}: {line.strip()[:160]}"
        for path, text in texts.items()
        if str(path) not in but and re.search(pattern, text)
        for number, line in enumerate(text.splitlines(), start=1)
        if re.search(pattern, line)
    ]


@pytest.mark.parametrize(
    "host",
    [
        r"pypi\.",
        r"pypi[.]org",
        r"python[h]osted",
        r"registry\.npm",
        r"deb\.debian",
        r"download\.pytorch",
        r"index[-_]url\s*[= ]",
    ],
)
def test_no_registry_hosts(texts, host):
    but = {"tests/project/test_hygiene.py"} | ({"Makefile"} if host.startswith("index") else set())
    assert search(texts, host, but=but) == []


def test_no_machine_paths(texts):
    assert search(texts, r"(?<![\w.~$})-])/(?:work|root|farm|Users|home)/\w") == []
    assert search(texts, r"\.\./shared") == []
    assert search(texts, r"\bshared/data\b", but={".ci/run"}) == []


def test_no_pickle_is_read(texts):
    code = {
        path: text
        for path, text in texts.items()
        if path.suffix in {".py", ".ipynb", ".md"} or path.name == "Snakefile"
    }
    read = r"allow_pickle\s*=\s*True|\b(?:cloud)?pickle\.(?:loads?|Unpickler)\(|import (?:cloud)?pickle\b"
    writes_some = {"tests/faults/test_hostile.py", "tests/lab/test_store.py"}  # to be refused
    assert search(code, read, but=writes_some) == []
    tensors_only = {"tests/lab/test_tensors.py", "tests/lab/test_others.py"}  # what ours is compared with
    assert search(code, r"torch\.load\((?!.*weights_only=True)") == []
    assert search(code, r"torch\.load\(", but=tensors_only) == []
    assert search(code, r"joblib\.load\(|read_pickle\(|load_model\(|\bcifar100?\.load_data\(") == []


def test_notebooks_carry_no_outputs(texts):
    notebooks = {path: json.loads(text) for path, text in texts.items() if path.suffix == ".ipynb"}
    for path, notebook in notebooks.items():
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert not any(cell["outputs"] or cell["execution_count"] for cell in cells), f"{path}: make format"
        assert "widgets" not in notebook["metadata"], path


def test_chain_notebooks_take_a_profile(texts):
    for path in (path for path in texts if path.parts[0] == "notebooks" and path.suffix == ".ipynb"):
        tagged = [
            "".join(cell["source"])
            for cell in json.loads(texts[path])["cells"]
            if "parameters" in cell["metadata"].get("tags", [])
        ]
        assert len(tagged) == 1, f"{path}: one cell tagged `parameters`"
        assert re.search(r'^profile = "laptop"', tagged[0], re.M), path


def test_numerics_never_import_the_experiments(texts):
    core = {path: text for path, text in texts.items() if path.parts[0] == "repsim" and path.parts[1] != "lab"}
    assert (
        search(core, r"^\s*(?:from|import)\s+(?:repsim\.lab|\.lab|keras|tensorflow|jax|torch|pandas|matplotlib)\b")
        == []
    )


def test_files_are_small(project_files):
    assert [str(path) for path in project_files if path.stat().st_size > TOO_LARGE] == []


def test_licences(root, project):
    assert (root / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert project["project"]["license"] == "MIT"
    content = (root / "LICENSE-CONTENT").read_text(encoding="utf-8")
    assert content.startswith("Attribution 4.0 International")
    assert "Section 8 -- Interpretation." in content
