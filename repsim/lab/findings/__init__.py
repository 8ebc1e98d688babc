"""The numbers behind the claims: functions from arrays to the quantities that ``book/claims.yml`` judges.

Which function measures a claim is declared at the function, for the pages that lead from a verdict to its code.
A public name of any of these modules can be had from the package itself: ``findings.figure_2`` is that of
``correspondence``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, TypeVar

import repsim

Function = TypeVar("Function", bound=Callable[..., Any])
Networks = Sequence[str] | Mapping[str, str] | Mapping[str, tuple[str, str]]
INDEX_FUNCTIONS = ("cka", "hsic", "cca", "svcca", "pwcca", "linear_regression")  # each begins its indexes' names


@dataclass(frozen=True)
class Measuring:
    """How a claim is measured."""

    function: Callable[..., Any]  # that of the findings which returns its quantities
    by: tuple[Callable[..., Any], ...]  # what these are made with: the public functions of ``repsim`` for any index
    networks: tuple[str, ...]  # the paper's that the claim is about, by the names of their groups; none for mathematics


def modules_of(package: str, path: Iterable[str]) -> dict[str, ModuleType]:
    """Return the modules of a package by name."""
    return {module.name: import_module(f"{package}.{module.name}") for module in iter_modules(path)}


def names_of(package: str, path: Iterable[str]) -> Callable[[str], Any]:
    """Return the package's ``__getattr__``: its modules, then what they define or import."""

    def find(name: str) -> Any:
        modules = modules_of(package, path)
        if name in modules:  # before what another module may have imported under its name
            return modules[name]
        for module in modules.values():
            if name in vars(module) and not name.startswith("_"):
                return vars(module)[name]
        raise AttributeError(f"{package} and its modules have no {name!r}")

    return find


__getattr__ = names_of(__name__, __path__)
MEASURING: dict[str, Measuring] = {}


def measures(
    *claims: str | Mapping[str, str], by: Sequence[Callable[..., Any]], networks: Networks = ()
) -> Callable[[Function], Function]:
    """Declare which claims a function measures, `by` and on which networks as in :class:`Measuring`.

    Claims may be mappings to the index that each is about, whose function leads `by`, and networks one from claims.
    """

    def register(function: Function) -> Function:
        for declared in claims:
            for claim, index in ({declared: ""} if isinstance(declared, str) else declared).items():
                own = [getattr(repsim, name) for name in INDEX_FUNCTIONS if f"{index}_".startswith(f"{name}_")]
                of = networks[claim] if isinstance(networks, Mapping) else networks
                MEASURING[claim] = Measuring(function, (*own, *by), (of,) if isinstance(of, str) else tuple(of))
        return function

    return register


def measuring(claim: str) -> Measuring | None:
    """Return how a claim is measured, as declared at the function that does, None where none does yet."""
    modules_of(__name__, __path__)  # each declares what it measures
    return MEASURING.get(claim)
