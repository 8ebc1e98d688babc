"""The numbers behind the claims: functions from arrays to the quantities that ``book/claims.yml`` judges.

Which function measures a claim is declared at the function, for the pages that lead from a verdict to its code.
A public name of any of these modules can be had from the package itself: ``findings.figure_2`` is that of
``correspondence``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import repsim
from repsim.lab.lookup import modules_of, names_of

__getattr__ = names_of(__name__, __path__)
Function = TypeVar("Function", bound=Callable[..., Any])
INDEX_FUNCTIONS = ("cka", "hsic", "cca", "svcca", "pwcca", "linear_regression")  # each begins its indexes' names


@dataclass(frozen=True)
class Measuring:
    """How a claim is measured.

    Attributes
    ----------
    function
        That of the findings which returns its quantities.
    by
        The functions that compute what these are made of: the public ones of ``repsim`` wherever an index is involved.
    networks
        The paper's networks that the claim is about, by the names of their groups; none for mathematics.
    """

    function: Callable[..., Any]
    by: tuple[Callable[..., Any], ...]
    networks: tuple[str, ...]


MEASURING: dict[str, Measuring] = {}


def measures(
    *claims: str | Mapping[str, str], by: Sequence[Callable[..., Any]], networks: Sequence[str] = ()
) -> Callable[[Function], Function]:
    """Declare which claims a function measures.

    Parameters
    ----------
    *claims
        Names of claims, or mappings from these to the index that each is about, whose function leads `by`.
    by, networks
        As in :class:`Measuring`.
    """

    def register(function: Function) -> Function:
        for declared in claims:
            for claim, index in ({declared: ""} if isinstance(declared, str) else declared).items():
                own = [
                    getattr(repsim, name) for name in INDEX_FUNCTIONS if index.startswith(f"{name}_") or index == name
                ]
                MEASURING[claim] = Measuring(function, (*own, *by), tuple(networks))
        return function

    return register


def measuring(claim: str) -> Measuring | None:
    """Return how a claim is measured, as declared at the function that does, None where none does yet."""
    modules_of(__name__, __path__)  # each declares what it measures
    return MEASURING.get(claim)
