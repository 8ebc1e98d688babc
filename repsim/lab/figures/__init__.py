"""The book's figures: functions from measured numbers to a :class:`Drawing`, which carries its own description.

A public name of any of these modules can be had from the package itself: ``figures.show`` is that of ``display``.
"""

from importlib import import_module
from pkgutil import iter_modules
from typing import Any


def __getattr__(name: str) -> Any:
    modules = {module.name: import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)}
    if name in modules:  # before what another module may have imported under its name
        return modules[name]
    for module in modules.values():
        if name in vars(module) and not name.startswith("_"):
            return vars(module)[name]
    raise AttributeError(f"no figure is called {name!r}")
