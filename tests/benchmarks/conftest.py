"""Shared data of the tests of the benchmarks."""

import numpy as np
import pytest


@pytest.fixture
def golden():
    """The data of the example in the authors' released notebook."""
    state = np.random.RandomState(1337)
    x = state.randn(100, 10)
    return x, state.randn(100, 10) + x
