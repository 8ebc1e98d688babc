"""A third person's certificate: what agrees, what does not and by which file, and what could not be compared."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from repsim.lab import data
from repsim.lab.archives import certification, checks
from repsim.lab.archives.certification import certify
from repsim.lab.archives.checks import Certificate, Check
from repsim.lab.store import MADE_AGAIN_BY, digest, sealed, write_arrays
from repsim.lab.unpacking import ArchiveError

from .conftest import EXECUTED, NOTEBOOK, PROFILE, archived, arrays, commit_all, contents, flipped, pack

RECOMPUTED = ("notebooks, executed again", "networks, drawn with the seed", "similarity tables, drawn with the seed")
KINDS = [
    "results/{networks}.npz",
    "results/{networks}.json",
    "results/{tables}.npz",
    "results/{tables}.json",
    "results/smoke/claims/T1.json",
    f"outputs/notebooks/{NOTEBOOK}.ipynb",
    "outputs/figures/drawn.svg",
    "outputs/figures/drawn.csv",
    "outputs/claims/verdicts.json",
    f"notebooks/{NOTEBOOK}.ipynb",
    "book/claims.yml",
    "requirements.lock",
    "LICENSE",
    "CITATION.cff",
    "codecheck.yml",
    "ro-crate-metadata.json",
    "manifest-sha256.txt",
]


def outcomes(certificate):
    return [check.outcome for check in certificate.checks]


def of(certificate, what):
    (found,) = [check for check in certificate.checks if what in check.what]
    return found


def find(names, kind):
    """The first file of some kind of artefact."""
    pattern = re.sub(r"results/\{(\w+)\}", r"results/smoke/\1/[^/]+", kind).replace(".npz", r"\.npz")
    return next(name for name in sorted(names) if re.fullmatch(pattern, name))


def consistent(files):
    """The files with a manifest that fits them, as one who alters an archive on purpose writes it."""
    files.pop("manifest-sha256.txt")
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items())]
    return {**files, "manifest-sha256.txt": "".join(lines).encode()}


@pytest.fixture
def without(monkeypatch):
    """Leave out checks that compute, which take most of the time, in a test that is not about them."""

    def leave_out(*names):
        for name in names:
            monkeypatch.setattr(certification, name, lambda *_, name=name: Check(f"{name}, left out"))

    return leave_out


COMPUTING = ("claims", "accuracies", "similarities")


def settings():
    return {name: value for name, value in os.environ.items() if name.startswith("REPSIM_")}


def test_everything_agrees(root, packed, tmp_path):
    before = settings()
    seen = []
    certificate = certify(packed, 3, root, seen.append)
    assert certificate.verdict == "CERTIFIED", certificate.text()
    assert seen == certificate.checks
    for what in RECOMPUTED:
        assert of(certificate, what).compared, what
    assert settings() == before
    text, saved = certificate.write(tmp_path / "out")
    assert text.read_text() == certificate.text()
    assert text.name == f"{packed.stem}-seed3.txt"
    found = json.loads(saved.read_text())
    assert found["certified"] is True
    assert found["seed"] == 3
    assert found["sha256"] == digest(packed)
    assert found["about"]["profile"] == PROFILE
    assert {"system", "processors", "python", "versions"} <= set(found["machine"])
    assert all(check["tolerance"] for check in found["checks"] if any(what in check["what"] for what in RECOMPUTED))
    assert digest(packed) in certificate.text()


@pytest.mark.parametrize("kind", KINDS)
def test_one_altered_byte_is_found_by_the_files_name(root, packed, kind, tmp_path):
    files = contents(packed)
    name = find(files, kind)
    altered = pack(tmp_path / "altered.zip", {**files, name: flipped(files[name])})
    certificate = certify(altered, root=root)
    assert not certificate.agreed
    assert any(name in line for check in certificate.checks for line in check.differs), certificate.text()
    assert certificate.checks[0].outcome == "DIFFERS"
    assert certificate.verdict.startswith("NOT CERTIFIED")


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[4], KINDS[6]])
def test_one_altered_byte_of_the_archive_itself(root, packed, kind):
    with zipfile.ZipFile(packed) as archive:
        entry = archive.getinfo(find(archive.namelist(), kind))
    position = entry.header_offset + 30 + len(entry.filename) + entry.file_size // 2
    packed.write_bytes(flipped(packed.read_bytes(), position))
    certificate = certify(packed, root=root)
    assert any(line.startswith(f"{entry.filename}: was altered") for line in certificate.checks[0].differs)


def test_missing_and_added_files_are_named(root, packed, tmp_path, without):
    without(*COMPUTING)
    files = contents(packed)
    del files["LICENSE"]
    certificate = certify(pack(tmp_path / "other.zip", {**files, "more.txt": b""}), root=root)
    assert certificate.checks[0].differs == ["LICENSE: is missing", "more.txt: is not in manifest-sha256.txt"]
    files = contents(packed)
    del files["outputs/figures/drawn.svg"]
    certificate = certify(pack(tmp_path / "fitting.zip", consistent(files)), root=root)
    assert certificate.checks[0].outcome == "agreed"
    wrong = [line for check in certificate.checks for line in check.differs]
    assert "outputs/figures/drawn.svg: is listed in codecheck.yml, but not there" in wrong
    assert "outputs/figures/drawn.svg: is not what an executed notebook shows" in wrong


@pytest.mark.parametrize("place", ["notebooks", "book", "benchmarks/engine"])
def test_a_notebook_may_stand_beside_what_it_shows(packed, tmp_path, place):
    for name, text in contents(packed).items():
        path = tmp_path / (f"{place}/{NOTEBOOK}.ipynb" if name == f"notebooks/{NOTEBOOK}.ipynb" else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    assert (tmp_path / place / f"{NOTEBOOK}.ipynb").exists()
    assert checks.notebooks(tmp_path).outcome == "agreed"


def replaced(root, packed, tmp_path, name, content):
    """The certificate of an archive in which one file was replaced and the manifest made to fit."""
    return certify(pack(tmp_path / "fitting.zip", consistent({**contents(packed), name: content})), root=root)


def test_an_invented_table_is_found_by_recomputing(root, tmp_path, without):
    """Who alters a table together with its record and the manifest is found out all the same."""
    without("claims", "accuracies")
    (path,) = (root / "results" / PROFILE / "tables").glob("*.npz")
    write_arrays(path, {name: array * 1.01 for name, array in arrays(path).items()})
    record = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_bytes(sealed({**record, "sha256": digest(path)}))
    commit_all(root)
    certificate = certify(archived(root), root=root)
    found = of(certificate, RECOMPUTED[2])
    assert found.outcome == "DIFFERS"
    assert all(path.name in line and "recomputed" in line for line in found.differs)
    assert outcomes(certificate).count("DIFFERS") == 1


@pytest.mark.parametrize("count", [1, 2])
def test_weights_that_are_not_committed_are_not_computed_with(root, count, without):
    """With one of two networks away, no cell is left to compute, as with both."""
    without("claims")
    networks = sorted((root / "results" / PROFILE / "networks").glob("*.npz"))
    for path in networks[:count]:
        record = json.loads(path.with_suffix(".json").read_text())
        path.with_suffix(".json").write_bytes(sealed({**record, MADE_AGAIN_BY: "train it"}))
        path.unlink()
    commit_all(root)
    certificate = certify(archived(root), root=root)
    (table,) = (root / "results" / PROFILE / "tables").glob("*.npz")
    found = of(certificate, RECOMPUTED[2])
    assert found.outcome == "not done"
    said = f"{table.name} was not computed again: the weights of its networks are not in the archive."
    assert said in found.not_done
    assert of(certificate, RECOMPUTED[1]).compared == 2 - count
    assert "DIFFERS" not in outcomes(certificate)


@pytest.mark.parametrize("content", [b"{}", b"\xff", sealed({"sha256": "0" * 64})], ids=["seal", "bytes", "weights"])
def test_a_record_without_weights_has_to_say_why(root, content, without):
    without(*COMPUTING)
    (root / "results" / PROFILE / "networks" / "other.json").write_bytes(content)
    commit_all(root)
    certificate = certify(archived(root), root=root)
    (wrong,) = of(certificate, "that its record gives it").differs
    assert wrong.startswith(f"results/{PROFILE}/networks/other.json: ")
    assert outcomes(certificate).count("DIFFERS") == 1


def test_an_invented_accuracy_is_found_by_recomputing(root, without):
    without("claims", "similarities")
    for path in (root / "results" / PROFILE / "networks").glob("*.json"):
        record = json.loads(path.read_text())
        (score,) = (name for name in record if name.endswith("_accuracy"))
        path.write_bytes(sealed({**record, score: 0.99}))
    commit_all(root)
    found = of(certify(archived(root), root=root), RECOMPUTED[1])
    assert len(found.differs) == 2
    for score in ("test", "held out"):
        assert sum(f"{score} accuracy 0.99, recomputed 0." in line for line in found.differs) == 1


def test_an_invented_claim_is_found_by_the_notebooks(root, without):
    without("accuracies", "similarities")
    path = root / "results" / PROFILE / "claims" / "T1.json"
    contents = json.loads(path.read_text())
    contents["values"]["largest_difference"] = 1e-15
    path.write_bytes(sealed(contents))
    commit_all(root)
    certificate = certify(archived(root), root=root)
    (wrong,) = of(certificate, RECOMPUTED[0]).differs
    assert wrong.startswith(f"results/{PROFILE}/claims/T1.json: holds {{")
    assert "'largest_difference': 0.25" in wrong
    assert outcomes(certificate).count("DIFFERS") == 1


def test_a_table_of_other_networks_is_found(root, without):
    without("claims", "accuracies")
    for path in (root / "results" / PROFILE / "tables").glob("*.json"):
        record = json.loads(path.read_text())
        path.write_bytes(sealed({**record, "inputs": {**record["inputs"], "networks": ["0" * 64]}}))
    commit_all(root)
    found = of(certify(archived(root), root=root), RECOMPUTED[2])
    assert "was not made from the networks that it names" in found.differs[0]


def test_invented_verdicts_are_found(root, packed, tmp_path, without):
    without(*COMPUTING)
    name = "outputs/claims/verdicts.json"
    verdicts = json.loads(contents(packed)[name])
    verdicts["claims"][0]["verdict"] = "reproduced"
    certificate = replaced(root, packed, tmp_path, name, json.dumps(verdicts).encode())
    assert of(certificate, "verdicts follow").differs == [f"{name}: holds other verdicts or values"]


def test_without_the_data_it_says_what_to_do(root, packed, monkeypatch, without):
    without("claims")
    monkeypatch.setattr(data, "DATASETS", ("cifar10",))
    monkeypatch.setenv("REPSIM_DATA", str(root / "nowhere"))
    for record in (root / "results" / PROFILE / "networks").glob("*.json"):
        record.write_bytes(sealed(json.loads(record.read_text().replace('"synthetic"', '"cifar10"'))))
    commit_all(root)
    certificate = certify(archived(root), root=root)
    assert certificate.agreed
    assert certificate.verdict == "CERTIFIED, but for 2 of 8 checks that were not done"
    for what in RECOMPUTED[1:]:
        sentence = of(certificate, what).not_done
        assert sentence.startswith(f"cifar10 is not in {root / 'nowhere'}: fetch it with `repsim-lab data laptop`")
        assert sentence.count("cifar10") == 1


def test_other_code_is_not_run_and_said_to_be_other(root, packed):
    (root / "repsim" / "__init__.py").write_text("other = True\n")
    found = of(certify(packed, root=root), RECOMPUTED[0])
    assert found.outcome == "not done"
    assert re.search(
        r"repsim/__init__.py differs.*: run this command in a clone at commit [0-9a-f]{40}", found.not_done
    )


def test_a_notebook_that_does_not_run_is_named(root, packed, tmp_path, without):
    """Results that lack what the notebooks read are not made up for by training."""
    without("accuracies", "similarities")
    path = root / "notebooks" / f"{NOTEBOOK}.ipynb"
    content = json.loads(path.read_text())
    content["cells"][1]["source"] = "from repsim.lab.measurements import common\ncommon.networks(profile)"
    path.write_text(json.dumps(content))
    executed = root / EXECUTED / f"{NOTEBOOK}.ipynb"
    stamped = json.loads(executed.read_text())
    stamped["metadata"]["repsim"]["source_sha256"] = digest(path)
    executed.write_text(json.dumps(stamped))
    commit_all(root)
    found = of(certify(archived(root), root=root), RECOMPUTED[0])
    assert f"notebooks/{NOTEBOOK}.ipynb: does not run on the archive's results" in found.differs[0]
    assert "MissingArtefactError" in found.differs[0]


HOSTILE = [
    b"",
    b"[]",
    b"{",
    b"\xff\xfe",
    b"[" * 100_000,
    b"null",
    b'{"sha256": 1, "claims": 3, "@graph": 4}',
    b"--- !!python/x",
    sealed({"sha256": 1, "values": {}}),
]


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize(
    "kind",
    [kind for kind in KINDS if not kind.endswith(("LICENSE", "svg", "csv", "lock", "cff", "manifest-sha256.txt"))],
)
def test_whatever_a_file_holds_it_is_a_sentence(packed, kind, content, tmp_path):
    """Files that fit their hashes but hold anything: what reads them finds a difference, and nothing is raised."""
    files = contents(packed)
    altered = consistent({**files, find(files, kind): content})
    for name, text in altered.items():
        (tmp_path / "unpacked" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "unpacked" / name).write_bytes(text)
    folder = tmp_path / "unpacked"
    found = [
        checks.hashes(folder),
        checks.listings(folder, PROFILE),
        checks.records(folder, PROFILE),
        checks.notebooks(folder),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPSIM_RESULTS", str(folder / "results"))
        found.append(checks.verdicts(folder, PROFILE, tmp_path / "scratch"))
    if kind == "codecheck.yml":
        with pytest.raises(ArchiveError, match=r"codecheck\.yml does not say"):
            checks.stated(folder)
    assert any(check.differs for check in found), kind


@pytest.mark.parametrize(
    "manifest", [b"", b"no hash", b"\xff", b"0" * 64 + b"  ../../outside", b"0" * 64 + b"  LICENSE"]
)
def test_whatever_the_manifest_holds_it_is_a_sentence(root, packed, manifest, tmp_path):
    altered = pack(tmp_path / "altered.zip", {**contents(packed), "manifest-sha256.txt": manifest})
    certificate = certify(altered, root=root)
    assert certificate.checks[0].outcome == "DIFFERS"


@pytest.mark.parametrize("profile", ["..", "../..", "/", "", "no such", None, 3, ["smoke"]])
def test_a_profile_is_a_name(profile, tmp_path):
    about = {"profile": profile, "version": "1", "commit": "0", "modified": []}
    (tmp_path / "codecheck.yml").write_text(f"repsim_revisited: {json.dumps(about)}")
    with pytest.raises(ArchiveError, match=r"codecheck\.yml does not say what the archive is of"):
        checks.stated(tmp_path)


def test_a_long_list_is_cut_in_the_text_only(tmp_path):
    check = Check("many", 30, [f"file-{n}: altered" for n in range(30)])
    certificate = Certificate("a.zip", "0" * 64, {}, 0, "unknown", [check])
    assert "and 10 more, all in the JSON form" in certificate.text()
    assert "file-29" not in certificate.text()
    assert "file-29" in certificate.write(tmp_path)[1].read_text()
    assert certificate.verdict == "NOT CERTIFIED: 30 differences"


def command(*arguments):
    start = [sys.executable, "-m", "repsim.lab", *map(str, arguments)]
    return subprocess.run(start, capture_output=True, text=True, check=False)


def test_the_command_fails_with_the_files_name(packed, tmp_path):
    files = contents(packed)
    name = find(files, KINDS[2])
    altered = pack(tmp_path / "altered.zip", {**files, name: flipped(files[name])})
    answer = command("certify", altered, "--seed", 7, "--out", tmp_path / "certificate")
    assert answer.returncode == 1
    assert name in answer.stdout
    assert "error: " in answer.stderr
    assert "Traceback" not in answer.stdout + answer.stderr
    assert (tmp_path / "certificate" / "altered-seed7.txt").exists()
    assert json.loads((tmp_path / "certificate" / "altered-seed7.json").read_text())["certified"] is False
    answer = command("certify", tmp_path / "nothing.zip", "--out", tmp_path / "none")
    assert answer.returncode == 1
    assert "nothing.zip cannot be unpacked: No such file" in answer.stderr
    assert not (tmp_path / "none").exists()


def test_numbers_of_other_kinds_are_read_without_pickle(packed, tmp_path, root, without):
    """An array file that holds a pickle is refused by NumPy, and named."""
    without("claims", "accuracies")
    files = contents(packed)
    name = find(files, KINDS[2])
    target = tmp_path / "pickled.npz"
    np.savez(target, cka_linear=np.array([{"a": 1}], dtype=object))
    record = json.loads(files[name.replace(".npz", ".json")])
    record["sha256"] = digest(target)
    altered = {**files, name: target.read_bytes(), name.replace(".npz", ".json"): sealed(record)}
    certificate = certify(pack(tmp_path / "fitting.zip", consistent(altered)), root=root)
    assert any(name in line and "allow_pickle" in line for line in of(certificate, RECOMPUTED[2]).differs)
