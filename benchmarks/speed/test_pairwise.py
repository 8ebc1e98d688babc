"""How long `pairwise` takes for small tables: `make bench` before and after a change of the engine."""

import numpy as np
import pytest

from repsim import INDEXES, pairwise
from repsim.errors import RankSaturationWarning

WIDTHS = (512, 256, 128, 64, 10)
NETWORKS = 4


@pytest.fixture(scope="module")
def layers():
    """Rectified mixtures of shared signals, as activations are, in float32."""
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((1000, 64), np.float32)
    return [
        np.maximum(signal @ rng.standard_normal((64, width), np.float32), 0)
        for _ in range(NETWORKS)
        for width in WIDTHS
    ]


@pytest.mark.benchmark(group="reference")
def test_products(benchmark, layers):
    """The Gram matrices that the tables of inner products rest on, one after the other."""
    benchmark(lambda: [float((layer @ layer.T).sum()) for layer in layers])


@pytest.mark.benchmark(group="tables")
@pytest.mark.filterwarnings(f"ignore::{RankSaturationWarning.__module__}.{RankSaturationWarning.__name__}")
@pytest.mark.parametrize("index", sorted(INDEXES))
def test_table(benchmark, layers, index):
    table = benchmark.pedantic(pairwise, (layers,), {"index": index}, rounds=3, warmup_rounds=1)
    assert np.isfinite(table).all()
