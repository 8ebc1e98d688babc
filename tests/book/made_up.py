"""Made-up results of the smoke profile: a measurement of each kind that the explorer's page shows, and a claim."""

from pathlib import Path

import numpy as np

from repsim.lab.claims import record
from repsim.lab.measurements.common import GROUP
from repsim.lab.profiles import load_profile
from repsim.lab.store import Artefact, Store

LAYERS = {GROUP: ["conv1", "conv2", "pool"], "plain10": ["conv1", "conv2", "conv3", "pool"]}
FEATURES = {GROUP: [512, 256, 16], "plain10": [64, 64, 32, 8]}  # the first is wider than the 400 examples of `tables`
SEEDS = {GROUP: [0, 1, 2], "plain10": [0, 1]}


def similarities(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 0.9, size=shape)


def side(group: str) -> dict:
    return {"group": group, "seeds": SEEDS[group], "layers": LAYERS[group], "features": FEATURES[group]}


def tables(store: Store) -> Artefact:
    shape = 3, 3, 3, 3
    arrays = {
        "cka_linear": similarities(*shape, seed=1) + np.eye(3),
        "cka_linear_debiased": similarities(*shape, seed=2) - 0.3,
        "linear_regression": similarities(*shape, seed=3),
    }
    facts = {
        "split": "train",
        "examples": 400,
        "dataset": "synthetic",
        "layers": LAYERS[GROUP],
        "features": FEATURES[GROUP],
        "network_files": [f"nano10-synthetic-seed{seed}-0123456789ab.npz" for seed in SEEDS[GROUP]],
        "indexes": list(arrays),
    }
    return store.get("tables", "train", {"made": "up"}, lambda: (arrays, facts))


def between(store: Store) -> Artefact:
    size = sum(len(SEEDS[group]) * len(LAYERS[group]) for group in (GROUP, "plain10"))
    arrays = {f"cka_linear_{n}": similarities(size, size, seed=n).astype(np.float32) for n in (50, 200)}
    sides = [side(GROUP), side("plain10")]
    facts = {
        "split": "test",
        "examples": [50, 200],
        "dataset": "synthetic",
        "rows": sides,
        "columns": sides,
        "indexes": ["cka_linear"],
        "diagonal": False,
    }
    return store.get("between", "architectures", {"made": "up"}, lambda: (arrays, facts))


def within(store: Store) -> Artefact:
    arrays = {"cka_linear_200": similarities(2, 4, 4, seed=5).astype(np.float32)}
    facts = {**side("plain10"), "split": "test", "examples": [200], "dataset": "synthetic", "indexes": ["cka_linear"]}
    return store.get("within", "plain10", {"made": "up"}, lambda: (arrays, facts))


def fill(results: Path) -> dict[str, Artefact]:
    """Write the measurements into a folder of results, which ``REPSIM_RESULTS`` has to name, and return them."""
    load_profile("smoke")
    store = Store(results / "smoke")
    record("smoke", "S8", {"accuracy": 99.3, "standard_error": 0.1}, n=400, notebook="04-correspondence")
    return {"tables": tables(store), "between": between(store), "within": within(store)}
