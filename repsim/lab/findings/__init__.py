"""The numbers behind the claims: functions from arrays to the quantities that ``book/claims.yml`` judges.

Which function measures a claim is declared at the function, for the pages that lead from a verdict to its code.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeVar, cast

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


MEASURING: dict[str, Measuring] = {}
RAN_IN: dict[str, int | None] = {}  # claim -> in which cell of a notebook what measures it ran first


def measures(
    *claims: str | Mapping[str, str], by: Sequence[Callable[..., Any]], networks: Networks = ()
) -> Callable[[Function], Function]:
    """Declare which claims a function measures, `by` and on which networks as in :class:`Measuring`.

    Claims may be mappings to the index that each is about, whose function leads `by`, and networks one from claims.
    """

    def register(function: Function) -> Function:
        names: dict[str, str] = {}
        for declared in claims:
            names |= {declared: ""} if isinstance(declared, str) else declared

        @wraps(function)
        def noted(*arguments: Any, **named: Any) -> Any:
            for claim in names:
                RAN_IN.setdefault(claim, _running_cell())
            return function(*arguments, **named)

        for claim, index in names.items():
            own = [getattr(repsim, name) for name in INDEX_FUNCTIONS if f"{index}_".startswith(f"{name}_")]
            of = networks[claim] if isinstance(networks, Mapping) else networks
            MEASURING[claim] = Measuring(
                inspect.unwrap(function), (*own, *by), (of,) if isinstance(of, str) else tuple(of)
            )
        return cast(Function, noted)

    return register


def _running_cell() -> int | None:
    """Return the number of the notebook's cell that is running, None outside of notebooks."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    # Its own count is one ahead in some versions of IPython.
    return len(shell.user_ns["In"]) - 1 if shell else None


def measuring(claim: str) -> Measuring | None:
    """Return how a claim is measured, as declared at the function that does, None where none does yet."""
    if claim not in MEASURING:  # what the modules in use declare
        for module in iter_modules(__path__):
            import_module(f"{__name__}.{module.name}")
    return MEASURING.get(claim)
