"""Files from anyone: read without harm or refused in a sentence; nothing in them runs or is written elsewhere."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import nbformat
import numpy as np
import pytest
import yaml

import repsim
from repsim.errors import ParameterError
from repsim.lab import claims
from repsim.lab.archives.writing import figure_files
from repsim.lab.errors import LabError
from repsim.lab.execution import read_notebook, stamp
from repsim.lab.profiles import parse_profile
from repsim.lab.repository import REPOSITORY
from repsim.lab.store import read_arrays, sealed, unseal
from repsim.lab.unpacking import unpack_tar, unpack_zip

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore::repsim.RankSaturationWarning")]

NAMED = (LabError, ParameterError)
# What a change puts in: what means something in one of the formats.
WORDS = [
    b"",
    b"-1",
    b"1e999",
    b".nan",
    b"null",
    b"[]",
    b"{}",
    b"*a",
    b"&a ",
    b"<<: ",
    b": ",
    b"\n",
    b"\t",
    b"\0",
    b"\xff",
]
WORDS += [b"2001-99-99", b"!!python/object/apply:os.system [exit]", b"!!binary x", b"? [1]", b'"', b"[[[[", b"9" * 30]
WORDS += [b"../", b"true", b"0x", b"{1: 2}"]


def changed(content: bytes, rng: np.random.Generator) -> bytes:
    """The content after one to three changes: a part replaced, removed, doubled, or another byte."""
    for _ in range(rng.integers(1, 4)):
        start = int(rng.integers(len(content) + 1))
        stop = min(len(content), start + int(rng.choice([0, 1, 2, 8, 60, 2000])))
        middle = [WORDS[rng.integers(len(WORDS))], b"", content[start:stop] * 2, rng.bytes(stop - start)]
        content = content[:start] + middle[rng.integers(4)] + content[stop:]
    return content


def count(found, read) -> None:
    found["tried"] += 1
    try:
        read()
    except NAMED:
        found["refused"] += 1
    else:
        found["read"] += 1


def test_profiles(rng, counts):
    texts = [(REPOSITORY / "repsim/lab/profiles" / f"{name}.yml").read_bytes() for name in ("smoke", "paper")]
    for number in range(150):
        text = changed(texts[number % 2], rng).decode("utf-8", "surrogateescape")
        count(counts["hostile"]["profile"], lambda text=text: parse_profile("mine", text))


def test_claims(rng, counts):
    entries = yaml.safe_load((REPOSITORY / "book/claims.yml").read_text(encoding="utf-8"))["claims"]
    for _ in range(300):
        some = [entries[one] for one in rng.integers(len(entries), size=3)]
        text = changed(yaml.safe_dump({"claims": some}).encode(), rng)
        count(counts["hostile"]["claims"], lambda text=text: claims.parse_claims(text))


def test_measured_values(rng, counts, tmp_path, monkeypatch):
    """Whatever a measurement holds there is a verdict or a sentence, also where it fits its hash."""
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path))
    known, odd = claims.load_claims(), [None, True, "x", [], {}, [None], [[1]], 10**400, float("nan"), -1, {"a": 1}]
    for name in rng.choice(sorted(known), 200):
        values = {one: odd[rng.integers(len(odd))] for one in known[name].predicate.quantities()}
        content = {"claim": str(name), "profile": "smoke", "values": values, "n": odd[rng.integers(len(odd))]}
        path = claims.measurement_path("smoke", str(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sealed(content))

        def judge(name=name):
            assert claims.judge(known[name], claims.measurement("smoke", name)) in claims.VERDICTS

        count(counts["hostile"]["values"], judge)


def test_arrays(rng, counts, tmp_path):
    path, kept = tmp_path / "arrays.npz", io.BytesIO()
    np.savez_compressed(kept, a=np.arange(12.0).reshape(3, 4), b=np.array(["x", "yy"]), c=np.float32(1))
    for _ in range(600):
        path.write_bytes(changed(kept.getvalue(), rng))
        count(counts["hostile"]["arrays"], lambda: read_arrays(path))


def test_records(rng, counts, tmp_path):
    path, content = (
        tmp_path / "record.json",
        sealed({"step": "s", "inputs": {"seed": 1, "x": [0.1]}, "sha256": "0" * 64}),
    )
    for _ in range(500):
        path.write_bytes(other := changed(content, rng))
        before = counts["hostile"]["record"]["read"]
        count(counts["hostile"]["record"], lambda: unseal(path))
        assert counts["hostile"]["record"]["read"] == before or other == content


def test_notebooks(rng, counts, tmp_path):
    path = tmp_path / "one.ipynb"
    output = nbformat.v4.new_output(
        "display_data", {"image/svg+xml": "<svg/>"},
        metadata={"repsim": {"figure": {"name": "f", "caption": "c", "data": {"x": [1]}}}},
    )  # fmt: skip
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("1", outputs=[output])], metadata={"repsim": {"profile": "smoke"}}
    )
    content = nbformat.writes(book).encode()
    for _ in range(300):
        path.write_bytes(changed(content, rng))

        def read():
            read_notebook(path)
            stamp(path)
            figure_files(path)

        count(counts["hostile"]["notebook"], read)


def test_what_an_interrupted_run_left(rng, counts, tmp_path):
    layers = [np.random.default_rng(3).standard_normal((40, p)) for p in (5, 30)]
    whole = repsim.pairwise(layers, index="cka_linear", block=8)

    def stop(done, total):
        if done > 0.6 * total:
            raise KeyboardInterrupt

    folder = tmp_path / "resume"
    with pytest.raises(KeyboardInterrupt):
        repsim.pairwise(layers, index="cca_mean", block=8, resume=folder, progress=stop)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert "about.json" in kept
    assert np.isfinite(whole).all()
    for _ in range(150):
        folder.mkdir(exist_ok=True)
        for name, content in kept.items():
            (folder / name).write_bytes(content)
        # Zero bytes, and the header of an array, are what a power cut leaves; its numbers carry no hash.
        name = sorted(kept)[rng.integers(len(kept))]
        content = kept[name]
        other = [changed(content[:60], rng) + content[60:], content[: len(content) // 2], b""][rng.integers(3)]
        (folder / name).write_bytes(other)
        count(
            counts["hostile"]["resume"],
            lambda: repsim.pairwise(layers, index="cca_mean", block=8, resume=folder),
        )
        for path in list(folder.glob("*")) if folder.exists() else []:
            path.unlink()


NAMES = ["../outside", "/outside", "official/../../outside", "official/a", "outside", "official", "official/a/b", "."]
NAMES += ["official/..", "C:\\outside", "official/\x01", "a" * 300, "..", "official//a", "./official/b"]


def outside(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.iterdir())


def test_tar_archives(rng, counts, tmp_path):
    kinds = [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
    for number in range(300):
        path, content = tmp_path / "hostile.tar.gz", io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz" if number % 2 else "w") as packed:
            for _ in range(3):
                entry = tarfile.TarInfo(NAMES[rng.integers(len(NAMES))])
                entry.type = kinds[rng.choice(6, p=[0.7, 0.1, 0.05, 0.05, 0.05, 0.05])]
                entry.size, entry.linkname = 3 if entry.isreg() else 0, "../../outside"
                packed.addfile(entry, io.BytesIO(b"abc") if entry.isreg() else None)
        path.write_bytes(changed(content.getvalue(), rng) if rng.random() < 0.5 else content.getvalue())
        target = tmp_path / "in" / str(number) / "official"
        count(counts["hostile"]["tar"], lambda path=path, target=target: unpack_tar(path, target))
        assert outside(tmp_path) in (["hostile.tar.gz"], ["hostile.tar.gz", "in"])
        assert not target.parent.exists() or outside(target.parent) in ([], ["official"])
        assert not any(one.is_symlink() for one in tmp_path.rglob("*"))


def test_zip_archives(rng, counts, tmp_path):
    for number in range(300):
        path, content = tmp_path / "hostile.zip", io.BytesIO()
        with zipfile.ZipFile(content, "w") as packed:
            for name in {NAMES[one] for one in rng.integers(len(NAMES), size=2)}:
                entry = zipfile.ZipInfo(name)
                entry.external_attr = int(rng.choice([0o100644, 0o120777, 0o040755], p=[0.8, 0.1, 0.1])) << 16
                packed.writestr(entry, "abc")
        path.write_bytes(changed(content.getvalue(), rng) if rng.random() < 0.5 else content.getvalue())
        folder = tmp_path / "in" / str(number)
        folder.mkdir(parents=True)
        count(counts["hostile"]["zip"], lambda path=path, folder=folder: unpack_zip(path, folder))
        assert outside(tmp_path) == ["hostile.zip", "in"]
        assert outside(tmp_path / "in") == sorted(map(str, range(number + 1)))
        assert not any(one.is_symlink() for one in folder.rglob("*"))


class Payload:
    """Would make a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_files_that_carry_code(counts, tmp_path):
    """The code is real: unpickled or built on purpose it makes the file; no reader here does."""
    made, found = tmp_path / "made", counts["hostile"]["code"]
    pickle.loads(pickle.dumps(Payload(made)))
    assert made.exists()
    made.unlink()
    array = np.array([Payload(made)], dtype=object)
    np.savez(tmp_path / "one.npz", a=array)
    np.save(tmp_path / "two.npz.npy", array)
    (tmp_path / "two.npz.npy").rename(tmp_path / "two.npz")
    (tmp_path / "three.npz").write_bytes(pickle.dumps(Payload(made)))
    for name in ("one", "two", "three"):
        count(found, lambda name=name: read_arrays(tmp_path / f"{name}.npz"))
    command = json.dumps(f"touch {made}")
    for text in (f"!!python/object/apply:os.system [{command}]", f"!!python/object/new:os.system [{command}]"):
        count(found, lambda text=text: parse_profile("mine", text))
        count(found, lambda text=text: parse_profile("mine", f"networks: {text}"))
        count(found, lambda text=text: claims.parse_claims(text))
        count(found, lambda text=text: claims.parse_claims(f"claims: [{text}]"))
    assert not made.exists()
    assert found == {"tried": 11, "refused": 11}
