import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from repsim import procrustes


@pytest.mark.parametrize("p", [5, 60])
def test_relation_to_the_distance_of_appendix_d2(rng, p):
    x, y = (rng.standard_normal((30, p)) for _ in range(2))
    x, y = (z - z.mean(axis=0) for z in (x, y))
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    rotation, scale = orthogonal_procrustes(x, y)
    assert procrustes(x, y) == pytest.approx(scale, rel=1e-11)
    assert np.linalg.norm(x @ rotation - y) ** 2 == pytest.approx(2 * (1 - procrustes(x, y)), abs=1e-11)


def test_widths_may_differ(rng):
    x = rng.standard_normal((30, 3))
    padded = np.hstack([x, np.zeros((30, 50))])
    y = rng.standard_normal((30, 5))
    assert procrustes(padded, y) == pytest.approx(procrustes(x, y), rel=1e-12)
    assert procrustes(y, padded) == pytest.approx(procrustes(x, y), rel=1e-12)
