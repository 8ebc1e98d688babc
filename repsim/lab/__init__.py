"""The experiments: data, networks, training, representations, measurements, claims and figures.

Everything here is built on the numeric core :mod:`repsim`, which never imports it. Each step of the chain

    profile -> networks -> weights -> representations -> similarity tables -> figures and claims -> pages

is a function of files to files that asks the :class:`~repsim.lab.store.Store` first.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any


def modules_of(package: str, path: Iterable[str]) -> dict[str, ModuleType]:
    """Return the modules of a package by name."""
    return {module.name: import_module(f"{package}.{module.name}") for module in iter_modules(path)}


def names_of(package: str, path: Iterable[str]) -> Callable[[str], Any]:
    """Return the package's ``__getattr__``: its modules, then what they define or import."""

    def find(name: str) -> Any:
        modules = modules_of(package, path)
        if name in modules:  # before what another module may have imported under its name
            return modules[name]
        having = [vars(module)[name] for module in modules.values() if name in vars(module) and name[0] != "_"]
        if len(defined := {thing.__module__ for thing in having if hasattr(thing, "__qualname__")}) > 1:
            raise AttributeError(
                f"{package} has more than one {name!r}: name its module, {' or '.join(sorted(defined))}"
            )
        if not having:
            raise AttributeError(f"{package} and its modules have no {name!r}")
        return having[0]

    return find
