"""Tests on a SLURM cluster run only when they are asked for: they install programs and take long."""

import pytest


def pytest_collection_modifyitems(config, items):
    if "slurm" not in config.option.markexpr:
        skip = pytest.mark.skip(reason="`make test-slurm` runs it")
        for item in items:
            if item.get_closest_marker("slurm"):
                item.add_marker(skip)
