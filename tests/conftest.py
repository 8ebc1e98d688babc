"""Which tests stay together where several processes run them."""

from pathlib import Path

import pytest

TOGETHER = [Path(__file__).parent / name for name in ("archives", "book")]  # what their sessions make takes long


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        folder = next((one for one in TOGETHER if one in item.path.parents), item.path)
        item.add_marker(pytest.mark.xdist_group(str(folder)))
