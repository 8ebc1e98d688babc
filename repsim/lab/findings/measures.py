"""Which function measures a claim: declared at the function, for the pages that lead from a verdict to its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import repsim

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
        for some in claims:
            for claim, index in ({some: ""} if isinstance(some, str) else some).items():
                own = [
                    getattr(repsim, name) for name in INDEX_FUNCTIONS if index.startswith(f"{name}_") or index == name
                ]
                MEASURING[claim] = Measuring(function, (*own, *by), tuple(networks))
        return function

    return register
