"""Measured values as a reader meets them: numbers with sensible digits, tables, sentences, distances to thresholds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from repsim.lab.claims import Claim, Measurement, decisive, lacking, load_claims, near, undetermined
from repsim.lab.predicates import Within, is_number

DASH = "–"
NO_BREAK, MINUS = "\N{NO-BREAK SPACE}", "\N{MINUS SIGN}"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SMALLEST_P = 0.001
NOTHING = 1e-12  # what is 0 but for rounding differs from one processor to the next, so that only a bound is written
SHARE = "percentage points"  # the unit of the distance of a share, which a sentence gives in percent
ROUNDED = 1e-3  # thresholds for what is 0 but for rounding and limits: the distance to one is the threshold itself


def listed(phrases: Sequence[str]) -> str:
    """Return what a sentence makes of a list: "a, b and c"."""
    return " and ".join([", ".join(phrases[:-1]), phrases[-1]] if len(phrases) > 1 else phrases)


def number(value: Any) -> str:
    """Write a measured value to three digits or so, a missing one as a dash."""
    if isinstance(value, list):
        return ", ".join(map(number, value))
    if not is_number(value):
        return DASH
    if isinstance(value, int) or value == 0:
        return signed(f"{value:g}")
    return signed(f"{value:.1e}" if abs(value) < 1e-3 else f"{value:.4g}" if abs(value) >= 1 else f"{value:.3f}")


def signed(text: str) -> str:
    """Write the minus signs of a formatted number as such, and its power of ten as one."""
    mantissa, power, exponent = text.partition("e")
    if power and not float(mantissa):
        return "0"
    raised = f" × 10{str(int(exponent)).translate(RAISED)}" if power else ""
    return mantissa.replace("-", MINUS) + raised.replace(" ", NO_BREAK)


def unbroken(text: str) -> str:
    """Keep a number and its percent sign on one line."""
    return re.sub(r"(?<=\d) %", f"{NO_BREAK}%", text)


def bound(value: float) -> str:
    """Write to one digit what a difference is at most."""
    return signed(f"{max(value, NOTHING):.0e}")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; a vertical bar within a cell stays one."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(unbroken(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


class Words(Formatter):
    """Templates of sentences, ``{quantity:format}``.

    Beside Python's formats there are ``p``, a p-value; ``±.1f``, a spread with its sign, nothing where there is none;
    ``#layer``, so many layers; ``.0e``, a :func:`bound`; and ``min .1f``, the least of a list. Other lists are written
    as enumerations, missing values as dashes.
    """

    def get_value(self, key: int | str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        """Return a quantity, None where it was not measured."""
        return kwargs.get(str(key))

    def format_field(self, value: Any, spec: str) -> str:
        """Write one quantity."""
        if spec.startswith("min ") and isinstance(value, list):
            return self.format_field(min(value) if all(map(is_number, value)) else None, spec.removeprefix("min "))
        if isinstance(value, list):
            return listed([self.format_field(entry, spec) for entry in value])
        if spec.startswith("±"):
            return f" ± {self.format_field(value, spec[1:])}" if value else ""
        if not is_number(value):
            return DASH
        if spec == ".0e":
            return bound(value)
        if spec == "p":
            return f"< {SMALLEST_P}" if value < SMALLEST_P else f"= {value:.3f}"
        if spec.startswith("#"):
            return f"one {spec[1:]}" if value == 1 else f"{value:g} {spec[1:]}s"
        return signed(super().format_field(value, spec)).replace("%", f"{NO_BREAK}%")


def measured_sentence(claim: Claim, measurement: Measurement) -> str:
    """Return what was measured for a claim, in words."""
    text = Words().vformat(claim.sentence, (), {**measurement.values, "n": measurement.n})
    return unbroken(text[0].upper() + text[1:])


def distance(claim: Claim, measurement: Measurement) -> str:
    """Say by how much a claim holds or fails and whether that is near, or why it is not judged."""
    if missing := lacking(claim, measurement):
        names = load_claims().names
        return f"not judged; missing: {' and '.join(names.get(name, name) for name in missing)}"
    if reason := undetermined(measurement.values):
        return f"not determined: {reason}"
    margin = decisive(claim, measurement)
    if margin is None:
        return ""
    by, unit = abs(margin.distance), claim.unit
    if unit == SHARE:
        by, unit = 100 * by, "points"
    said = f"{'holds' if margin.holds else 'fails'} by {_measured_in(unit, by)}"
    if isinstance(claim.predicate, Within):
        off = _measured_in(unit, margin.threshold - margin.distance)
        said = f"{off} from the paper’s value, where {margin.threshold:.2g} are allowed"
    elif measurement.values.get("lower_bound"):
        said = "fails, by how much is not known"
    elif margin.holds and 0 < margin.threshold <= ROUNDED:
        said = f"the rule allows {signed(f'{margin.threshold:g}')}"
    if margin.at_threshold:
        said = "holds" if margin.holds else "fails"
        said += ", with the best value there can be" if margin.best else ", just at its threshold"
    return f"{said}, near" if near(claim, measurement) else said


def _measured_in(unit: str | None, value: float) -> str:
    """Write a distance to two digits, with its unit."""
    written = f"{value:,.0f}" if value >= 100 else signed(f"{value:.2g}")
    return f"{written} {unit.removesuffix('s') if written == '1' else unit}" if unit else written


def robustness(values: Mapping[str, Any]) -> str:
    """Say what became of the three questions, where they were asked: debiasing, fewer examples, shuffles."""
    if "holds_debiased" not in values:
        return ""
    clauses = [
        f"with debiased CKA it {({1: 'holds', 0: 'does not hold'}).get(values['holds_debiased'], 'was not tried')}"
    ]
    if len(values["tried_n"]) > 1:
        at = [f"{n:,}" for n, holds in zip(values["tried_n"], values["holds_at"], strict=True) if holds == 1]
        least = values["smallest_n"]
        otherwise = (
            f"it holds on {listed(at)} examples, and not on more" if at else "it does not hold on fewer examples either"
        )
        clauses.append(f"it holds from {least:,} examples on" if least else otherwise)
    if (share := values["share_above_shuffles"]) is not None:
        clauses.append(
            f"{math.floor(100 * share)}% of the similarities that it rests on, measured on fewer examples and "
            "networks, exceed the 99.9th percentile of shuffled ones"
        )
    text = "; ".join(clauses).replace("%", f"{NO_BREAK}%")
    return f"{text[0].upper()}{text[1:]}."
