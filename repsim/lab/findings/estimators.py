"""What is asked of every claim about CKA: whether it survives debiasing and shuffles, and how few examples it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from repsim.lab.claims import Claim
from repsim.lab.findings.compared import Compared
from repsim.lab.findings.tables import Array
from repsim.lab.predicates import holds

BIASED, DEBIASED = "cka_linear", "cka_linear_debiased"
Measure = Callable[[str, int], Mapping[str, Any]]


def robustness(claim: Claim, measure: Measure, examples: Sequence[int]) -> dict[str, Any]:
    """Return whether a claim's predicate holds with debiased CKA, and with fewer examples.

    Parameters
    ----------
    claim
        Whose predicate.
    measure
        From an index and a number of examples to the quantities that the predicate names.
    examples
        Rising numbers of examples.

    Returns
    -------
    dict
        "holds_debiased", at the most examples; "holds_at", for each number of examples; and "smallest_n", the number
        from which on it always holds, None if it does not at the most. 1 and 0 stand for yes and no, None for what
        could not be measured.
    """
    outcomes = [holds(claim.predicate, measure(BIASED, n), claim.paper) for n in examples]
    failures = [place for place, outcome in enumerate(outcomes) if outcome is not True]
    first = failures[-1] + 1 if failures else 0
    debiased = holds(claim.predicate, measure(DEBIASED, examples[-1]), claim.paper)
    return {
        "holds_debiased": _number(debiased),
        "holds_at": [_number(outcome) for outcome in outcomes],
        "smallest_n": examples[first] if first < len(examples) else None,
    }


def _number(outcome: bool | None) -> int | None:
    return None if outcome is None else int(outcome)


def bias(arrays: Mapping[str, Array], examples: int) -> float:
    """Return by how much biased and debiased CKA differ at most, from :func:`repsim.lab.measurements.within`."""
    return float(np.abs(arrays[f"{BIASED}_{examples}"] - arrays[f"{DEBIASED}_{examples}"]).max())


def above_shuffles(value: Array, level: Array, chosen: Array | None = None) -> dict[str, Any]:
    """Return how many similarities exceed what shuffled examples score.

    Parameters
    ----------
    value, level
        Similarities and the 99.9th percentiles of their shuffles, of one shape.
    chosen
        Truth values of that shape: those that a claim rests on. None: all.

    Returns
    -------
    dict
        "exceeds_shuffles", 1 if all of them do; "share", how many do; "smallest_lead" over the level.
    """
    lead = np.asarray(value, np.float64) - level
    some = lead.ravel() if chosen is None else lead[np.asarray(chosen, bool)]
    if not some.size:
        return {"exceeds_shuffles": None, "share": None, "smallest_lead": None}
    above = some > 0
    return {
        "exceeds_shuffles": int(above.all()),
        "share": float(above.mean()),
        "smallest_lead": float(some.min()),
    }


def groups_above_shuffles(
    null: Compared, first: str, second: str, index: str = BIASED, *, same_layers: bool = False
) -> dict[str, Any]:
    """Return :func:`above_shuffles` for the networks of two groups, all layers with all or same layers only."""
    value, level = (null.block(f"{index}_{part}", first, second) for part in ("value", "level"))
    chosen = np.broadcast_to(null.different(first, second)[..., None, None], value.shape)
    if same_layers:
        chosen = chosen & np.eye(value.shape[2], value.shape[3], dtype=bool)
    return above_shuffles(value, level, chosen)
