"""The numbers behind the claims: functions from arrays to the quantities that ``book/claims.yml`` judges.

A name of any of these modules can be had from the package itself: ``findings.figure_2`` is that of ``correspondence``.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any


def modules() -> list[ModuleType]:
    """Return the modules, in which each finding declares the claims that it measures."""
    return [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]


def __getattr__(name: str) -> Any:
    for module in modules():
        if name in vars(module) and not name.startswith("_"):
            return vars(module)[name]
    raise AttributeError(f"no finding is called {name!r}")
