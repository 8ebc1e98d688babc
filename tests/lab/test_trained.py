"""The table of trained networks."""

import numpy as np

from repsim.lab.profiles import load_profile
from repsim.lab.staging import trained
from repsim.lab.store import profile_store
from repsim.lab.weights import STEP, artefact_name, inputs


def put(group, seed, **facts):
    networks = load_profile("smoke").group(group)
    made = {"weights": np.zeros(1)}, facts
    profile_store("smoke").get(STEP, artefact_name(networks, seed), inputs(networks, seed), lambda: made)


def test_it_says_how_many_how_accurate_and_where():
    assert trained("smoke") == "*No network is trained yet.*"
    put("tiny10", 0, test_accuracy=0.5, backend="tensorflow")
    put("tiny10", 2, test_accuracy=0.7, backend="jax", device="GPU 9000", resumed=True)
    put("width4", 1, test_accuracy=0.25, backend="jax", device="CPU")
    put("plain10-untrained", 0, test_accuracy=0.1, backend="jax", device="CPU")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in trained("smoke").splitlines()[2:4]]
    assert rows[0][0] == "Nano-10, 4 to 8 channels, made-up images"
    assert rows[0][1:4] == ["2 of 3", "60.00 (50.00 to 70.00)", "CPU, TensorFlow; GPU 9000, JAX"]
    assert rows[0][4].endswith("(the last run of some)")
    assert rows[1][:4] == ["Width-4, 4 channels, made-up images", "1 of 2", "25.00", "CPU, JAX"]
    assert "untrained" not in trained("smoke")
    assert "Training all of these took 0.0 hours" in trained("smoke")
