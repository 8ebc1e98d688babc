"""A full disk at each step that writes: one sentence, nothing half-written, earlier files untouched; then a rerun."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import repsim
from repsim.errors import ParameterError
from repsim.lab.archives import checks
from repsim.lab.errors import LabError
from repsim.lab.store import Store

from . import made

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore::repsim.RankSaturationWarning")]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    root = made.repository(folder / "repository")
    (folder / "served").mkdir()
    archive, md5 = made.data_archive(folder / "served")
    with pytest.MonkeyPatch.context() as patch, made.served(folder / "served") as address:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        patch.setenv("REPSIM_RESULTS", str(root / "results"))
        from repsim.lab.archives.writing import archive as write
        from repsim.lab.execution import execute

        source = root / "notebooks" / f"{made.NOTEBOOK}.ipynb"
        execute(source, "smoke", folder / "executed" / source.name)
        packed = write("smoke", folder / "archive", folder / "executed", root)
        yield {
            "root": root,
            "executed": folder / "executed",
            "source": source,
            "packed": packed,
            "address": f"{address}/{archive.name}",
            "md5": md5,
        }


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A network as it was initialised, which is quickly made."""
    from repsim.lab.profiles import load_profile
    from repsim.lab.training import train_network

    group = load_profile("smoke").group("plain10-untrained")
    return train_network(Store(tmp_path_factory.mktemp("network")), group, 0)


def unpack(disk, inputs):
    from repsim.lab.data import fetch

    fetch(inputs["address"], inputs["md5"], disk / "official")


def artefact(disk, inputs):
    arrays = {"a": np.random.default_rng(1).random(200_000)}
    Store(disk).get("step", "name", {"seed": 1}, lambda: (arrays, {}))


def checkpoint(disk, inputs):
    from repsim.lab.profiles import load_profile
    from repsim.lab.training import train_network

    os.environ["REPSIM_CACHE"] = str(disk)  # a fixture puts it back
    group = load_profile("smoke").group("tiny10")
    group = replace(group, recipe=replace(group.recipe, epochs=2))
    made_network = train_network(Store(disk / "results"), group, 0)
    assert made_network.arrays()


def representations(disk, inputs):
    from repsim.lab.representations import representations as represented

    os.environ["REPSIM_CACHE"] = str(disk)
    represented(inputs["network"], "test", 200)


def tiles(disk, inputs):
    rng = np.random.default_rng(2)
    layers = [rng.standard_normal((300, p)) for p in (40, 200, 290)]
    value = repsim.pairwise(layers, index="cca_mean", resume=disk / "resume")
    (disk / "table.bin").write_bytes(value.tobytes())


def measurement(disk, inputs):
    from repsim.lab.claims import record

    os.environ["REPSIM_RESULTS"] = str(disk)
    record("smoke", "F2a", {"diagonal_rows": 8, "rows": 9, "more": list(range(5000))})


def notebook(disk, inputs):
    from repsim.lab.execution import execute

    execute(inputs["source"], "smoke", disk / inputs["source"].name)


def stage(disk, inputs):
    from repsim.lab.staging import stage as assemble

    os.environ["REPSIM_RESULTS"] = str(inputs["root"] / "results")
    assemble("smoke", inputs["executed"], disk / "book", inputs["root"], published=True)


def archive(disk, inputs):
    from repsim.lab.archives.writing import archive as write

    os.environ |= {"REPSIM_RESULTS": str(inputs["root"] / "results"), "SOURCE_DATE_EPOCH": "1700000000"}
    write("smoke", disk, inputs["executed"], inputs["root"])


def certify(disk, inputs):
    """Only the unpacking: what follows reads, or is another step."""
    from repsim.lab.unpacking import unpack_zip as unpack_archive

    with tempfile.TemporaryDirectory(dir=disk, prefix=".") as folder:
        unpack_archive(inputs["packed"], Path(folder))
        assert checks.hashes(Path(folder)).outcome == "agreed"


def certificate(disk, inputs):
    from repsim.lab.archives.checks import Certificate, Check

    wrong = [f"file-{number}: altered" for number in range(2000)]
    check = Check("many", 2000, wrong)
    Certificate("a.zip", "0" * 64, {}, 0, "unknown", [check], date="today", machine=inputs["machine"]).write(disk)


# Step -> how many fillings; those that take a network or a kernel are dear.
STEPS = {artefact: 8, tiles: 8, measurement: 8, certificate: 8, unpack: 6, stage: 5, archive: 5, certify: 5}
STEPS |= {representations: 4, checkpoint: 3, notebook: 2}
NAMED = (LabError, ParameterError)


def fill(disk: Path, room: int) -> Path:
    """Write a file that leaves about `room` bytes."""
    free = shutil.disk_usage(disk).free
    filler = disk / "filler"
    with filler.open("wb") as file:
        file.write(bytes(max(0, free - room)))
    return filler


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_a_full_disk(step, inputs, disk, rng, counts, monkeypatch, request):
    for name in ("REPSIM_CACHE", "REPSIM_RESULTS", "SOURCE_DATE_EPOCH"):
        monkeypatch.setenv(name, os.environ.get(name, "1700000000"))
    from repsim.lab.store import machine

    given = {**inputs, "machine": machine()}
    if step is representations:
        given["network"] = request.getfixturevalue("network")
    earlier = disk / "earlier.json"
    earlier.write_text("of an earlier run")
    before = shutil.disk_usage(disk).free
    step(disk, given)
    expected, needed = made.hashes(disk), before - shutil.disk_usage(disk).free
    empty(disk, earlier)
    found = counts["full"][step.__name__]
    for number in range(STEPS[step]):
        # Less than the products take is too little, whatever passing files come beside them.
        room = 0 if number == 0 else int(rng.uniform(0, 0.9 * max(needed, 1)))
        filler = fill(disk, room)
        with pytest.raises(NAMED) as error:
            step(disk, given)
        sentence = str(error.value)
        assert "No space left on device" in sentence or "bytes left" in sentence or "written" in sentence, sentence
        assert "\n" not in sentence
        del error
        collect()
        found.update(full=1, refused=1)
        filler.unlink()
        there = {name: one for name, one in made.hashes(disk).items() if not name.startswith("resume/")}
        assert there.items() <= expected.items()
        assert there[earlier.name] == expected[earlier.name]
        assert [path.name for path in disk.rglob("*.part*") if "resume" not in path.parts] == []
        step(disk, given)
        assert timeless(made.hashes(disk)) == timeless(expected)
        found.update(completed=1)
        empty(disk, earlier)


def collect() -> None:
    """Pooch leaves the connection of a download that fails to the garbage collector, which would warn of it later."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def timeless(found: dict[str, str]) -> dict[str, str]:
    """Without the hashes of records, which hold times."""
    return {name: "a record" if name.endswith(".json") else one for name, one in found.items()}


def empty(disk: Path, earlier: Path) -> None:
    for path in disk.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path != earlier:
            path.unlink()
