"""Predicates over measured quantities, as data: what ``book/claims.yml`` says has to hold.

A predicate is a mapping with a ``kind`` and the names of the quantities it is about. Where a quantity is a list, each
of its values has to satisfy it. A quantity without a value leaves the outcome open: None, neither true nor false.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from repsim.lab.errors import LabError, known

Predicate = Mapping[str, Any]
Values = Mapping[str, Any]

# Kind -> the keys it must have and those it may have, beside `kind`.
KINDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "at_least": (frozenset({"of", "value"}), frozenset()),
    "at_most": (frozenset({"of", "value"}), frozenset()),
    "above": (frozenset({"of", "value"}), frozenset()),
    "below": (frozenset({"of", "value"}), frozenset()),
    "between": (frozenset({"of", "low", "high"}), frozenset()),
    "within": (frozenset({"of", "tolerance"}), frozenset({"target", "errors", "error"})),
    "less_than": (frozenset({"of", "than"}), frozenset({"times"})),
    "descending": (frozenset({"of"}), frozenset()),
    "all": (frozenset({"of"}), frozenset()),
}
NUMBERS = frozenset({"value", "low", "high", "tolerance", "target", "errors", "times"})
QUANTITIES = frozenset({"than", "error"})
DEEPEST = 4
MOST_PARTS = 50

SIGNS = {"at_least": "≥", "at_most": "≤", "above": ">", "below": "<"}
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "at_least": lambda found, value: found >= value,
    "at_most": lambda found, value: found <= value,
    "above": lambda found, value: found > value,
    "below": lambda found, value: found < value,
}


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


def check_predicate(predicate: Any, where: str, depth: int = 0) -> Predicate:
    """Return a predicate that can be evaluated.

    Raises
    ------
    ClaimError
        If it is of no known kind or something in it is missing, unknown or of another type than it should be.
    """
    if not isinstance(predicate, dict):
        raise ClaimError(f"{where}: expected a mapping, found {type(predicate).__name__}")
    kind = predicate.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ClaimError(f"{where}: {known('kind', kind, KINDS)}")
    required, optional = KINDS[kind]
    given = set(predicate) - {"kind"}
    if missing := required - given:
        raise ClaimError(f"{where}: {sorted(missing)} missing")
    if unknown := given - required - optional:
        raise ClaimError(f"{where}: unknown {sorted(map(str, unknown))}; {kind} takes {sorted(required | optional)}")
    for name in sorted(given & NUMBERS):
        if not is_number(predicate[name]):
            raise ClaimError(f"{where}.{name}: expected a finite number, found {predicate[name]!r:.40}")
    for name in sorted(given & QUANTITIES):
        _check_quantity(predicate[name], f"{where}.{name}")
    if kind == "within" and ("errors" in given) != ("error" in given):
        raise ClaimError(f"{where}: errors and error go together")
    of = predicate["of"]
    if kind in ("all", "descending"):
        least = 1 if kind == "all" else 2
        if not isinstance(of, list) or not least <= len(of) <= MOST_PARTS:
            raise ClaimError(f"{where}.of: expected a list of at least {least} and at most {MOST_PARTS}")
        if kind == "all" and depth >= DEEPEST:
            raise ClaimError(f"{where}: nested deeper than {DEEPEST}")
        for number, part in enumerate(of):
            if kind == "all":
                check_predicate(part, f"{where}.of[{number}]", depth + 1)
            else:
                _check_quantity(part, f"{where}.of[{number}]")
    else:
        _check_quantity(of, f"{where}.of")
    return predicate


def _check_quantity(name: object, where: str) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise ClaimError(f"{where}: expected the name of a measured quantity, found {name!r:.40}")


def quantities(predicate: Predicate) -> list[str]:
    """Return the names of the measured quantities that a checked predicate is about, in order."""
    kind = predicate["kind"]
    if kind == "all":
        names = [name for part in predicate["of"] for name in quantities(part)]
    elif kind == "descending":
        names = list(predicate["of"])
    else:
        names = [predicate["of"], *(predicate[key] for key in ("than", "error") if key in predicate)]
    return list(dict.fromkeys(names))


def holds(predicate: Predicate, values: Values, paper: float | None = None) -> bool | None:
    """Return whether a checked predicate holds of `values`, None where a value that decides it is missing.

    Parameters
    ----------
    predicate
        What :func:`check_predicate` returned.
    values
        Quantity -> a number, a list of numbers, or None.
    paper
        The paper's value, the target of a ``within`` that names none.
    """
    kind = predicate["kind"]
    if kind == "all":
        outcomes = [holds(part, values, paper) for part in predicate["of"]]
        return False if False in outcomes else None if None in outcomes else True
    found = [_numbers(values.get(name)) for name in quantities(predicate)]
    if any(numbers is None for numbers in found):
        return None
    lists: Sequence[list[float]] = [numbers for numbers in found if numbers is not None]
    if kind == "descending":
        flat = [number for numbers in lists for number in numbers]
        return all(first > second for first, second in zip(flat, flat[1:], strict=False))
    if kind == "less_than":
        bound = predicate.get("times", 1) * min(lists[1])
        return all(number < bound for number in lists[0])
    if kind == "between":
        return all(predicate["low"] <= number <= predicate["high"] for number in lists[0])
    if kind == "within":
        target = predicate.get("target", paper)
        if target is None:
            return None
        error = predicate.get("errors", 0) * max(lists[1]) if "error" in predicate else 0
        return all(abs(number - target) <= max(predicate["tolerance"], error) for number in lists[0])
    return all(COMPARE[kind](number, predicate["value"]) for number in lists[0])


def _numbers(value: Any) -> list[float] | None:
    """Return the numbers of a measured value, None if there is none or one of them is missing."""
    numbers = value if isinstance(value, list) else [value]
    return numbers if numbers and all(is_number(number) for number in numbers) else None


def describe(predicate: Predicate, paper: float | None = None) -> str:
    """Write a checked predicate in words and signs."""
    kind = predicate["kind"]
    if kind == "all":
        return ", and ".join(describe(part, paper) for part in predicate["of"])
    if kind == "descending":
        return " > ".join(map(readable, predicate["of"]))
    name = readable(predicate["of"])
    if kind == "between":
        return f"{name} between {predicate['low']:g} and {predicate['high']:g}"
    if kind == "less_than":
        return f"{name} < {predicate.get('times', 1):g} × {readable(predicate['than'])}"
    if kind == "within":
        target = predicate.get("target", paper)
        text = f"{name} within {predicate['tolerance']:g}"
        if "errors" in predicate:
            text += f" or {predicate['errors']:g} × {readable(predicate['error'])}, whichever is more,"
        return f"{text} of {'the paper’s value' if target is None else f'{target:g}'}"
    return f"{name} {SIGNS[kind]} {predicate['value']:g}"


def readable(name: str) -> str:
    """Write the name of a quantity as words."""
    return name.replace("_", " ")
