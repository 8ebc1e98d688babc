"""The benchmark of training: PyTorch's networks are the project's, one real run, and its table."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.results import measured
from benchmarks.training import __main__ as driver
from benchmarks.training import speed
from repsim.lab.families import IMAGE_CHANNELS, IMAGE_SIDE, describe


@pytest.mark.torch
@pytest.mark.parametrize("group", driver.GROUPS)
def test_pytorch_trains_the_same_network(group):
    torch = pytest.importorskip("torch")
    from benchmarks.training.torch_steps import Network
    from repsim.lab.networks import build

    job = driver.job_of(group, "float32", split=False)
    network = Network(job["table"], job["classes"])
    ours = build(job["architecture"], job["classes"], channels=job["channels"])
    trained = sum(int(np.prod(weight.shape)) for weight in ours.trainable_weights)
    assert sum(p.numel() for p in network.parameters()) == trained
    shapes = []
    for part in network.parts:
        part.register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape[1:])))
    network(torch.zeros(2, IMAGE_CHANNELS, IMAGE_SIDE, IMAGE_SIDE))
    convolutions = describe(job["architecture"], job["channels"]).convolutions
    assert shapes == [(one.channels, one.side, one.side) for one in convolutions]


def test_a_run_gives_a_rate_and_a_table(tmp_path, monkeypatch):
    (tmp_path / "other.py").write_text('print(\'{"images_per_second": 1000.0, "version": "none"}\')\n')
    monkeypatch.setattr(driver, "torch_python", lambda _: Path(sys.executable))
    monkeypatch.setitem(driver.LIBRARIES, "torch", tmp_path / "other.py")
    monkeypatch.setattr(driver, "WARMUP", 1)
    out = tmp_path / "benchmarks" / "training.json"
    driver.main(
        group=["tiny10"], precision=[driver.Precision.FLOAT32], seconds=0.2, repeats=1, folder=tmp_path, out=out
    )
    result = json.loads(out.read_text(encoding="utf-8"))
    assert [row["processes"] for row in result["rows"]] == [1, result["cores"]]
    for row in result["rows"]:
        assert row["keras"] == row["runs"]["keras"][0] > 50
        assert row["torch"] == 1000 * row["processes"]
        assert row["ratio"] == row["keras"] / row["torch"]
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path))
    assert "Tiny-10" in speed.training(measured("training"))


def test_the_verdict_compares_the_fastest_ways():
    rows = [
        {
            "group": "plain18",
            "precision": p,
            "processes": n,
            "keras": k,
            "torch": t,
            "ratio": k / t,
            "runs": {"keras": [k]},
        }
        for p, n, k, t in (("float32", 1, 50, 100), ("bfloat16", 2, 180, 190))
    ]
    result = {
        "date": "2020-02-02",
        "machine": {"system": "Linux"},
        "cores": 2,
        "batch": 128,
        "seconds": 1,
        "versions": {"keras": "3", "torch": "2"},
        "rows": rows,
    }
    assert "Plain-18 0.95, where 0.9 was asked: met" in speed.training(result)
    rows[1]["keras"] = 100
    assert "**missed**" in speed.training(result)
