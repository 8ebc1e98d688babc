"""Predicates over measured quantities, as data: what ``book/claims.yml`` says has to hold.

A predicate is a mapping with a ``kind`` and the names of the quantities it is about. Where a quantity is a list, each
of its values has to satisfy it. A quantity without a value leaves the outcome open: None, neither true nor false.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from repsim.lab.errors import LabError

Values = Mapping[str, Any]
Names = Mapping[str, str]  # quantity -> what it is called
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
ROUNDING = 1e-12  # of a threshold: so near to it a value is at it
Quantity = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class ClaimError(LabError):
    """A claim, a predicate or a measurement that is not what it should be; the message names the place."""


def is_number(value: object) -> bool:
    """Return whether a value is a finite number; a truth value is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def numbers(value: Any) -> list[float] | None:
    """Return the numbers of a measured value, None if there is none or one of them is missing."""
    listed = value if isinstance(value, list) else [value]
    return listed if listed and all(map(is_number, listed)) else None


@dataclass(frozen=True)
class Margin:
    """How far a value is on the right side of a threshold."""

    distance: float  # below 0 on the wrong side
    threshold: float  # 0 for one that nothing can be near: that of an order, or the best value there can be
    strict: bool = False  # whether the threshold itself is on the wrong side
    best: bool = False  # whether the value is the best there can be

    @property
    def at_threshold(self) -> bool:
        """Whether the value is the threshold but for rounding."""
        return abs(self.distance) <= ROUNDING * self.threshold

    @property
    def holds(self) -> bool:
        """Whether the value is on the right side."""
        return not self.strict if self.at_threshold else self.distance > 0

    @property
    def relative(self) -> float:
        """The distance as a share of the threshold, with its sign."""
        return self.distance / self.threshold if self.threshold else math.copysign(math.inf, self.distance)


class Strict(BaseModel):
    """Values of exactly the types that are asked for, and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Simple(Strict):
    """A predicate that is not made of others: it asks for margins that all hold."""

    of: Quantity

    def quantities(self) -> list[str]:
        """Return the names of the measured quantities that it is about, the one that is judged first."""
        others = (getattr(self, name, None) for name in ("than", "error"))
        return [self.of, *filter(None, others)]

    def margins(self, values: Values, paper: float | None = None) -> list[Margin] | None:
        """Return how far each of the measured values is from its threshold, None where one is missing."""
        lists = [numbers(values.get(name)) for name in self.quantities()]
        return None if None in lists else self._margins([listed for listed in lists if listed is not None], paper)

    def holds(self, values: Values, paper: float | None = None) -> bool | None:
        """Return whether it holds of `values`, None where a value that decides it is missing; see :meth:`margins`."""
        margins = self.margins(values, paper)
        return None if margins is None else all(margin.holds for margin in margins)

    def _margins(self, lists: Sequence[Sequence[float]], paper: float | None) -> list[Margin] | None:
        raise NotImplementedError


class Bound(Simple):
    """Not below, not above, above or below a number; `most` is the best value there can be, where there is one."""

    kind: Literal["at_least", "at_most", "above", "below"]
    value: Number
    most: Number | None = None

    def _margins(self, lists: Sequence[Sequence[float]], paper: float | None) -> list[Margin]:
        sign = 1 if self.kind in ("at_least", "above") else -1
        strict = self.kind in ("above", "below")
        return [
            Margin(sign * (number - self.value), 0 if best else abs(self.value), strict, best)
            for number in lists[0]
            for best in [number == self.most]
        ]

    def describe(self, names: Names, paper: float | None = None) -> str:
        """Write it in words and signs, by the names of its quantities."""
        sign = {"at_least": "≥", "at_most": "≤", "above": ">", "below": "<"}[self.kind]
        return f"{names[self.of]} {sign} {self.value:g}"


class Between(Simple):
    """From one number to another, both included."""

    kind: Literal["between"]
    low: Number
    high: Number

    def _margins(self, lists: Sequence[Sequence[float]], paper: float | None) -> list[Margin]:
        def nearer(number: float) -> Margin:
            if self.low == self.high == number:
                return Margin(0, 0, best=True)
            if number - self.low < self.high - number:
                return Margin(number - self.low, abs(self.low))
            return Margin(self.high - number, abs(self.high))

        return [nearer(number) for number in lists[0]]

    def describe(self, names: Names, paper: float | None = None) -> str:
        """Write it in words and signs, by the names of its quantities."""
        if self.low == self.high:
            return f"{names[self.of]} is {self.low:g}"
        return f"{names[self.of]} between {self.low:g} and {self.high:g}"


class Within(Simple):
    """As near to the paper's value as a tolerance, or as some times a measured error, whichever is more."""

    kind: Literal["within"]
    tolerance: Number
    errors: Number = 0
    error: Quantity | None = None

    @model_validator(mode="after")
    def _together(self) -> Within:
        if bool(self.errors) != bool(self.error):
            raise ValueError("errors and error go together")
        return self

    def _margins(self, lists: Sequence[Sequence[float]], paper: float | None) -> list[Margin] | None:
        if paper is None:
            return None
        bound = max(self.tolerance, self.errors * max(lists[1]) if self.error else 0)
        return [Margin(bound - abs(number - paper), bound) for number in lists[0]]

    def describe(self, names: Names, paper: float | None = None) -> str:
        """Write it in words and signs, by the names of its quantities."""
        more = f" or {self.errors:g} × {names[self.error]}, whichever is more," if self.error else ""
        target = "the paper’s value" if paper is None else f"{paper:g}"
        return f"{names[self.of]} within {self.tolerance:g}{more} of {target}"


class LessThan(Simple):
    """Less than another quantity, or than so many times it."""

    kind: Literal["less_than"]
    than: Quantity
    times: Number = 1

    def _margins(self, lists: Sequence[Sequence[float]], paper: float | None) -> list[Margin]:
        bound = self.times * min(lists[1])
        # Of two quantities as they are only the order counts: their difference has the threshold 0.
        return [Margin(bound - number, abs(bound) if self.times != 1 else 0, True) for number in lists[0]]

    def describe(self, names: Names, paper: float | None = None) -> str:
        """Write it in words and signs, by the names of its quantities."""
        return f"{names[self.of]} < {f'{self.times:g} × ' if self.times != 1 else ''}{names[self.than]}"


class Descending(Simple):
    """Quantities each less than the one before it."""

    kind: Literal["descending"]
    of: Annotated[list[Quantity], Field(min_length=2)]  # type: ignore[assignment]

    def quantities(self) -> list[str]:
        """Return the names of the measured quantities that it is about, in order."""
        return list(self.of)

    def _margins(self, lists: Sequence[Sequence[float]], paper: float | None) -> list[Margin]:
        return [Margin(a - b, 0, True) for a, b in pairwise(number for listed in lists for number in listed)]

    def describe(self, names: Names, paper: float | None = None) -> str:
        """Write it in words and signs, by the names of its quantities."""
        return " > ".join(map(names.__getitem__, self.of))


class Reported(Descending):
    """Quantities that are reported and have no threshold."""

    kind: Literal["reported"]  # type: ignore[assignment]
    of: Annotated[list[Quantity], Field(min_length=1)]

    def _margins(self, lists: Sequence[Sequence[float]], paper: float | None) -> list[Margin]:
        return []

    def describe(self, names: Names, paper: float | None = None) -> str:
        """Write it in words and signs, by the names of its quantities."""
        return "Reported, without a threshold"


Part = Annotated[Bound | Between | Within | LessThan | Descending, Field(discriminator="kind")]


class All(Strict):
    """Several predicates that all have to hold."""

    kind: Literal["all"]
    of: Annotated[list[Part], Field(min_length=1)]

    def quantities(self) -> list[str]:
        """Return the names of the measured quantities that it is about, in order."""
        return list(dict.fromkeys(name for predicate in self.of for name in predicate.quantities()))

    def margins(self, values: Values, paper: float | None = None) -> list[Margin] | None:
        """Return how far each value is from its threshold, None where one is missing; see :class:`Simple`."""
        lists = [predicate.margins(values, paper) for predicate in self.of]
        return None if None in lists else [margin for margins in lists for margin in margins or ()]

    def holds(self, values: Values, paper: float | None = None) -> bool | None:
        """Return whether all hold; one that does not decides, even if another is open."""
        outcomes = [predicate.holds(values, paper) for predicate in self.of]
        return False if False in outcomes else None if None in outcomes else True

    def describe(self, names: Names, paper: float | None = None) -> str:
        """Write it in words and signs, by the names of its quantities."""
        return ", and ".join(predicate.describe(names, paper) for predicate in self.of)


Predicate = Annotated[Bound | Between | Within | LessThan | Descending | All | Reported, Field(discriminator="kind")]
