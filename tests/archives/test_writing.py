"""An archive holds everything, describes it, and is the same on every run."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import warnings
import zipfile
from datetime import datetime
from importlib.resources import files

import pytest
import yaml

from benchmarks.peers import environments
from repsim.lab.archives.writing import archive
from repsim.lab.errors import LabError, ProfileError, StorageError
from repsim.lab.unpacking import ArchiveError

from .conftest import EXECUTED, NOTEBOOK, PROFILE, archived, commit_all, contents, git

OUTPUTS = {
    f"outputs/notebooks/{NOTEBOOK}.ipynb",
    "outputs/figures/drawn.svg",
    "outputs/figures/drawn.csv",
    "outputs/claims/verdicts.json",
}


def test_everything_is_in_it(root, packed):
    found = contents(packed)
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split()
    described = {"codecheck.yml", "ro-crate-metadata.json", "manifest-sha256.txt"}
    assert set(found) == {*tracked, *OUTPUTS, *described}
    for name in tracked:
        assert found[name] == (root / name).read_bytes(), name
    assert found["outputs/figures/drawn.svg"].startswith(b"<svg xmlns='http://www.w3.org/2000/svg'")
    assert found["outputs/figures/drawn.csv"] == b"x,y\n1.0,0.5\n2.0,0.1\n"
    verdicts = {one["claim"]: one["verdict"] for one in json.loads(found["outputs/claims/verdicts.json"])["claims"]}
    assert verdicts["T1"] != "not measured"
    assert [path.name for path in packed.parent.iterdir()] == [packed.name], "nothing is left beside it"


def test_the_manifest_is_what_sha256sum_reads(packed, tmp_path):
    found = contents(packed)
    lines = found.pop("manifest-sha256.txt").decode().splitlines()
    assert lines == [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in sorted(found.items())]
    if shutil.which("sha256sum"):
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(tmp_path / "unpacked")
        command = ["sha256sum", "--check", "--quiet", "--strict", "manifest-sha256.txt"]
        assert subprocess.run(command, cwd=tmp_path / "unpacked", check=False).returncode == 0


def test_codecheck_lists_every_output(root, packed):
    found = contents(packed)
    text = found["codecheck.yml"].decode()
    assert re.match(r"%YAML 1\.1\n---\n", text), "the specification asks for an explicit document"
    configuration = yaml.safe_load(text)
    assert configuration["version"] == "https://codecheck.org.uk/spec/config/1.0/"
    results = {name for name in found if name.startswith(f"results/{PROFILE}/")}
    assert len(results) == 7, "three artefacts with their records, and a claim"
    assert {one["file"] for one in configuration["manifest"]} == results | OUTPUTS
    assert all(set(one) == {"file", "comment"} and one["comment"] for one in configuration["manifest"])
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert configuration["paper"]["title"] == citation["title"]
    assert [one["name"] for one in configuration["paper"]["authors"]] == [one["name"] for one in citation["authors"]]
    about = configuration["repsim_revisited"]
    assert (about["profile"], about["version"], about["modified"]) == (PROFILE, str(citation["version"]), [])
    assert re.fullmatch("[0-9a-f]{40}", about["commit"])
    assert packed.name == f"repsim-revisited-{about['version']}-{PROFILE}-{about['commit'][:12]}.zip"


def test_the_metadata_describe_every_file(packed):
    found = contents(packed)
    metadata = json.loads(found["ro-crate-metadata.json"])
    entities = {one["@id"]: one for one in metadata["@graph"]}
    assert metadata["@context"] == "https://w3id.org/ro/crate/1.2/context"
    assert entities["ro-crate-metadata.json"]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.2"}
    root = entities["./"]
    assert {"name", "description", "datePublished", "license", "author", "version", "keywords"} <= set(root)
    assert root["datePublished"] == "2026-01-02T03:04:05+00:00"
    files = {one["@id"] for one in root["hasPart"]}
    assert files == set(found) - {"ro-crate-metadata.json"}
    for name in files - {"manifest-sha256.txt"}:
        assert "File" in entities[name]["@type"]
        assert entities[name]["sha256"] == hashlib.sha256(found[name]).hexdigest()
        assert entities[name]["contentSize"] == str(len(found[name]))
        assert entities[name]["description"]
    assert entities[f"outputs/notebooks/{NOTEBOOK}.ipynb"]["isBasedOn"] == {"@id": f"notebooks/{NOTEBOOK}.ipynb"}
    assert entities["outputs/figures/drawn.svg"]["license"]["@id"].endswith("CC-BY-4.0")


def test_the_metadata_say_how_notebooks_were_executed(packed):
    """As a Process Run Crate asks for: an action with what did it, what came of it, by whom and when."""
    found = contents(packed)
    entities = {one["@id"]: one for one in json.loads(found["ro-crate-metadata.json"])["@graph"]}
    assert entities["./"]["conformsTo"] == {"@id": "https://w3id.org/ro/wfrun/process/0.5"}
    assert entities["https://w3id.org/ro/wfrun/process/0.5"]["@type"] == ["CreativeWork", "Profile"]
    assert entities["./"]["mentions"] == [{"@id": f"#run-{NOTEBOOK}"}]
    run = entities[f"#run-{NOTEBOOK}"]
    assert run["@type"] == "CreateAction"
    assert run["instrument"] == {"@id": f"notebooks/{NOTEBOOK}.ipynb"}
    assert entities[f"notebooks/{NOTEBOOK}.ipynb"]["@type"] == ["File", "SoftwareSourceCode"]
    assert run["result"] == {"@id": f"outputs/notebooks/{NOTEBOOK}.ipynb"}
    assert entities[run["agent"]["@id"]]["@type"] == "Organization"
    start, end = (datetime.fromisoformat(run[key]) for key in ("startTime", "endTime"))
    executed = json.loads(found[f"outputs/notebooks/{NOTEBOOK}.ipynb"])["metadata"]["repsim"]
    assert (end - start).total_seconds() == pytest.approx(executed["seconds"], abs=2)


def test_the_library_reads_it_back(packed):
    from rocrate.rocrate import ROCrate

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        crate = ROCrate(packed)
    assert crate.version == "1.2"
    assert len(crate.data_entities) == len(contents(packed)) - 1


@pytest.fixture(scope="module")
def validator(tmp_path_factory):
    """In an environment of its own, as it does not fit beside the rest."""
    home = environments.made_for(tmp_path_factory.mktemp("validator"), ["roc-validator==0.13.0"])
    return home / "bin" / "rocrate-validator"


@pytest.fixture
def with_terms(packed, tmp_path):
    """An archive whose metadata hold the terms that they name, which the validator would fetch from w3id.org."""
    terms = json.loads((files("rocrate") / "data" / "ro-crate.jsonld").read_text(encoding="utf-8"))["@context"]
    path = tmp_path / "with_terms.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents(packed).items():
            if name == "ro-crate-metadata.json":
                content = json.dumps(json.loads(content) | {"@context": terms})
            archive.writestr(name, content)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "skipped"),
    [
        ("ro-crate-1.2", "ro-crate-1.2_4.2"),  # that terms are named, not held
        ("process-run-crate-0.5", "ro-crate-1.1_5.3"),  # that the crate is of RO-Crate 1.1, as the profile is
    ],
)
def test_it_is_valid(with_terms, validator, profile, skipped, tmp_path):
    found = tmp_path / "found.json"
    options = ["--profile-identifier", profile, "--skip-checks", skipped, "--skip-availability-check", "--no-paging"]
    options += ["--output-format", "json", "--output-file", found]
    subprocess.run([validator, "--no-interactive", "validate", *options, with_terms], capture_output=True, check=False)
    assert json.loads(found.read_text(encoding="utf-8"))["issues"] == []


def test_a_second_run_gives_the_same_bytes(root, packed, monkeypatch):
    first = packed.read_bytes()
    for path in root.rglob("*.md"):
        os.utime(path, (1, 1))
    (root / "README.md").chmod(0o600)
    assert archived(root, "build/again").read_bytes() == first
    with zipfile.ZipFile(packed) as archive:
        entries = archive.infolist()
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)
    assert {entry.date_time for entry in entries} == {(2026, 1, 2, 3, 4, 4)}, "zip counts in two seconds"
    executable = {entry.filename for entry in entries if entry.external_attr >> 16 == stat.S_IFREG | 0o755}
    assert executable == {"run.sh"}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    with zipfile.ZipFile(archived(root, "build/another")) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_what_differs_from_the_commit_is_named(root):
    (root / "README.md").write_text("# Another\n")
    path = archived(root)
    assert path.stem.endswith("-modified")
    about = yaml.safe_load(contents(path)["codecheck.yml"])["repsim_revisited"]
    assert about["modified"] == ["README.md"]
    description = json.loads(contents(path)["ro-crate-metadata.json"])["@graph"]
    assert any("but for README.md" in str(one.get("description")) for one in description)


def test_what_git_does_not_track_is_left_out(root):
    (root / "notes.txt").write_text("private")
    assert "notes.txt" not in contents(archived(root))


def link(root):
    (root / "link").symlink_to("README.md")
    commit_all(root)


def take_place(root):
    (root / "codecheck.yml").write_text("---\n")
    commit_all(root)


def odd_figure(root):
    path = root / EXECUTED / f"{NOTEBOOK}.ipynb"
    path.write_text(path.read_text().replace('"name": "drawn"', '"name": "../../drawn"'))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda root: shutil.rmtree(root / ".git"), LabError, "is not a git repository with a commit"),
        (lambda root: (root / "LICENSE").unlink(), LabError, "LICENSE is tracked by git, but is no plain file"),
        (link, LabError, "link is tracked by git, but is no plain file"),
        (lambda root: shutil.rmtree(root / "build"), LabError, f"{NOTEBOOK}.ipynb is missing; make it with: "),
        (
            lambda root: (root / "notebooks" / f"{NOTEBOOK}.ipynb").write_text("{}"),
            LabError,
            "was not made from notebooks/.* as it is now",
        ),
        (lambda root: git(root, "rm", "-r", "--quiet", "results"), ArchiveError, "no results of profile smoke are"),
        (take_place, ArchiveError, "files of its own where an archive's stand: codecheck.yml"),
        (odd_figure, ArchiveError, r"'\.\./\.\./drawn' is no name for a figure's file"),
    ],
)
def test_refused_with_a_sentence(root, change, error, message):
    change(root)
    with pytest.raises(error, match=message):
        archived(root)
    assert list(root.glob("build/archive/*")) == [], "nothing is left half-written"


def test_other_results_than_the_repositorys_are_refused(root, monkeypatch, tmp_path):
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path / "others"))
    with pytest.raises(ArchiveError, match="but REPSIM_RESULTS names others: unset it"):
        archived(root)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(LabError, match="SOURCE_DATE_EPOCH is 'yesterday', not a number of seconds"):
        archived(root)
    with pytest.raises(ProfileError, match="known are"):
        archive("nowhere", root / "out", root / "executed", root=root)


def test_an_archive_that_was_there_is_kept_when_a_run_fails(root, packed, monkeypatch):
    before = packed.read_bytes()
    killed = packed.parent / f".contents.{2**22 + 1}.part"  # what a process that no longer is has left
    (killed / "book").mkdir(parents=True)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("zipfile.ZipFile.writestr", full)
    with pytest.raises(StorageError, match=r"\.zip cannot be written: No space left on device"):
        archived(root)
    assert packed.read_bytes() == before
    assert [path.name for path in packed.parent.iterdir()] == [packed.name]
