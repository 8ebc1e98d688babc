"""kill -9 at random moments of each kind of work: nothing half-written under its name, the same bytes in the end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from . import made

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore::repsim.RankSaturationWarning")]

WORK = Path(__file__).with_name("work.py")
# Kind -> how many kills; the expensive ones take TensorFlow or a kernel.
KILLS = {"unpack": 12, "artefact": 12, "tiles": 10, "stage": 8, "archive": 8, "notebook": 6, "train": 6}
# What a step writes beside its products is its own: work in progress, and what differs from run to run by its times.
PASSING = ("resume/", "cache/", "out")
TIMED = ("store/step/name", "results/smoke/networks/")


def start(kind, folder, arguments):
    environment = {**os.environ, "REPSIM_RESULTS": str(folder / "results"), "REPSIM_CACHE": str(folder / "cache")}
    environment |= {"SOURCE_DATE_EPOCH": "1700000000"} if kind == "archive" else {}
    if kind in ("stage", "archive"):
        environment["REPSIM_RESULTS"] = f"{arguments[0]}/results"
    folder.mkdir(exist_ok=True)
    with (folder / "out").open("w") as out:
        command = [sys.executable, str(WORK), kind, str(folder), *arguments]
        return subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT, cwd=folder)


def products(folder):
    """The hashes of what stands under its final name; of a record, whose times differ, only that it is there."""
    found = made.hashes(folder)
    kept = {name: one for name, one in found.items() if not name.startswith(PASSING)}
    return {
        name: "a record" if name.endswith(".json") and name.startswith(TIMED) else one for name, one in kept.items()
    }


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Kind -> its arguments."""
    folder = tmp_path_factory.mktemp("inputs")
    root = made.repository(folder / "repository")
    (folder / "served").mkdir()
    archive, md5 = made.data_archive(folder / "served")
    source = root / "notebooks" / f"{made.NOTEBOOK}.ipynb"
    assert start("notebook", folder / "whole", [str(source)]).wait(timeout=120) == 0
    executed = str(folder / "whole" / "executed")
    with made.served(folder / "served") as address:
        yield {
            "unpack": [f"{address}/{archive.name}", md5],
            "notebook": [str(source)],
            "stage": [str(root), executed],
            "archive": [str(root), executed],
        }


@pytest.mark.parametrize("kind", KILLS)
def test_killed_and_started_again(kind, inputs, tmp_path, rng, counts):
    arguments = inputs.get(kind, [])
    began = time.monotonic()
    whole = start(kind, tmp_path / "whole", arguments)
    assert whole.wait(timeout=120) == 0, (tmp_path / "whole" / "out").read_text()
    seconds, expected = time.monotonic() - began, products(tmp_path / "whole")
    assert expected
    found = counts["kills"][kind]
    found |= {"seconds": round(seconds, 1), "kills": 0, "nothing_yet": 0, "same": 0, "ended_before": 0}
    while found["kills"] < KILLS[kind]:
        assert found["ended_before"] <= 2 * KILLS[kind], "most runs end before they are killed"
        folder = tmp_path / "killed"
        process = start(kind, folder, arguments)
        moment = rng.uniform(0, seconds)
        time.sleep(moment)
        os.kill(process.pid, signal.SIGKILL)
        if process.wait() == 0:
            found["ended_before"] += 1
            seconds = moment  # that is enough, now that the machine has less to do
        else:
            found["kills"] += 1
            there = products(folder)
            found["nothing_yet"] += not there
            assert there.items() <= expected.items(), "what stands under its name is whole"
            assert start(kind, folder, arguments).wait(timeout=120) == 0, (folder / "out").read_text()
            assert products(folder) == expected
            left = [path for path in folder.rglob("*") if ".part" in path.name or path.name.startswith("tmp")]
            assert left == []
            assert not (folder / "resume").exists()
            found["same"] += 1
        shutil.rmtree(folder)
