"""Which commit a page says it was made at."""

import subprocess

import pytest

from repsim.lab.repository import SOURCES, commit, commit_in_words, first_commits

from .conftest import ROOT


@pytest.fixture
def git(tmp_path, monkeypatch):
    """Run git in a folder beside which no other repository is found."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True, text=True
        ).stdout.strip()

    return run


@pytest.fixture
def committed(git, tmp_path):
    git("init")
    (tmp_path / "repsim").mkdir()
    (tmp_path / "repsim" / "a.py").write_text("1")
    git("add", ".")
    git("commit", "-m", "one")
    return tmp_path


def test_no_repository(git, tmp_path):
    assert commit(tmp_path) == "unknown"
    assert commit_in_words("unknown") == "an unknown commit (made outside a git repository)"


def test_no_git(committed, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert commit(committed) == "unknown"


def test_a_repository_without_a_commit(git, tmp_path):
    git("init")
    assert commit(tmp_path) == "unknown"


def test_clean_and_changed(git, committed):
    head = git("rev-parse", "HEAD")
    assert commit(committed) == head
    assert commit_in_words(head) == f"commit `{head[:12]}`"
    (committed / "notes.txt").write_text("a person's own")
    assert commit(committed) == head
    (committed / "repsim" / "a.py").write_text("2")
    assert commit(committed) == f"{head}-modified"
    assert commit_in_words(f"{head}-modified") == f"commit `{head[:12]}` with uncommitted changes"


def test_a_new_source_is_a_change(git, committed):
    (committed / "book").mkdir()
    (committed / "book" / "page.md").write_text("# New")
    assert commit(committed) == git("rev-parse", "HEAD") + "-modified"


def test_the_repository_of_another_project_is_not_ours(committed):
    inside = committed / "environment" / "site-packages"
    inside.mkdir(parents=True)
    assert commit(inside) == "unknown"


def test_the_sources_exist():
    assert [name for name in SOURCES if not (ROOT / name).exists()] == []


def test_the_commit_that_first_had_a_line(git, committed):
    """A line that moves, or is removed and comes back, is that of its first commit."""
    path = committed / "claims.yml"
    hashes = []
    for text in ("- id: A\n", "- id: B\n- id: A\n", "- id: B\n", "- id: A\n- id: B\n"):
        path.write_text(text)
        git("add", ".")
        git("commit", "-m", "more")
        hashes.append(git("rev-parse", "HEAD"))
    found = first_commits("claims.yml", r"- id: (\S+)", committed)
    assert found == {"A": hashes[0], "B": hashes[1]}


def test_first_commits_without_a_repository(git, tmp_path):
    assert first_commits("claims.yml", r"- id: (\S+)", tmp_path) == {}
