"""What is asked of the claims about linear CKA, figure by figure.

Does it hold with debiased CKA? Do the similarities that it rests on exceed those of shuffled examples? From how many
examples on does it hold? Each function returns claim -> answers: those of :func:`robust` with the numbers of
examples as "tried_n", and of :func:`above_shuffles`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repsim.lab.claims import Claim, load_claims, undetermined
from repsim.lab.findings.across_networks import (
    AFTER_FIRST,
    CONVOLUTIONS,
    CURVES,
    EARLY,
    LATE,
    WITH,
    WITHOUT,
    by_width,
    dataset_curves,
    figure_6,
    figure_7,
    figure_f4,
    figure_f6,
    figure_f7,
    width_curves,
)
from repsim.lab.findings.architectures import FIGURE_5, RESIDUAL, TINY, figure_5, match_path
from repsim.lab.findings.correspondence import compared_indexes, map_values, percent
from repsim.lab.findings.tables import Array, Compared, Tables
from repsim.lab.findings.within_networks import DEPTHS, block_places, depth_similarities, figure_4

BIASED, DEBIASED = "cka_linear", "cka_linear_debiased"
Measure = Callable[[str, int], Mapping[str, Any]]
Answers = dict[str, dict[str, Any]]
Measured = Mapping[str, Mapping[str, Any]]
Above = Mapping[str, Any]
Mask = NDArray[np.bool_]
Choice = Callable[[Array], Mask]  # from the mean similarities (L1, L2) to those that a claim rests on
Pair = tuple[Compared, str, str]


def same_layers(layers: slice = slice(None)) -> Choice:
    """Choose the same layer of both networks, of all or of a slice of the layers."""

    def chosen(mean: Array) -> Mask:
        mask = np.zeros(mean.shape, bool)
        places = np.arange(min(mean.shape))[layers]
        mask[places, places] = True
        return mask

    return chosen


def best_matches(mean: Array) -> Mask:
    """Choose each layer's best match."""
    return np.asarray(np.arange(mean.shape[1]) == mean.argmax(axis=1)[:, None])


def other_layers(mean: Array) -> Mask:
    """Choose all pairs of different layers."""
    return np.logical_not(same_layers()(mean))


def robust(claim: Claim, measure: Measure, examples: Sequence[int]) -> dict[str, Any]:
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
        could not be measured, or determines no verdict.
    """

    def holds(index: str, n: int) -> bool | None:
        values = measure(index, n)
        return None if undetermined(values) else claim.predicate.holds(values, claim.paper)

    outcomes = [holds(BIASED, n) for n in examples]
    failures = [place for place, outcome in enumerate(outcomes) if outcome is not True]
    first = failures[-1] + 1 if failures else 0
    return {
        "holds_debiased": _number(holds(DEBIASED, examples[-1])),
        "holds_at": [_number(outcome) for outcome in outcomes],
        "smallest_n": examples[first] if first < len(examples) else None,
    }


def _number(outcome: bool | None) -> int | None:
    return None if outcome is None else int(outcome)


def bias(arrays: Mapping[str, Array], examples: int) -> float:
    """Return by how much biased and debiased CKA differ at most, from :func:`repsim.lab.measurements.within`."""
    return float(np.abs(arrays[f"{BIASED}_{examples}"] - arrays[f"{DEBIASED}_{examples}"]).max())


def above_shuffles(value: Array, level: Array) -> dict[str, Any]:
    """Return how many similarities exceed the 99.9th percentiles of their shuffles, `level`, of the same shape.

    Returns
    -------
    dict
        "exceeds_shuffles", 1 if all of them do; "share_above_shuffles", how many do. None where there are none.
    """
    above = np.asarray(value, np.float64) > level
    if not above.size:
        return {"exceeds_shuffles": None, "share_above_shuffles": None}
    return {"exceeds_shuffles": int(above.all()), "share_above_shuffles": float(above.mean())}


def _ask(measure: Callable[[str, int], Measured], examples: Sequence[int], shuffles: Mapping[str, Above]) -> Answers:
    """Answer for every claim that `measure` returns from an index and a number of examples."""
    known, measured = load_claims(), cache(measure)

    def answers(claim: str) -> dict[str, Any]:
        robustness = robust(known[claim], lambda index, n: measured(index, n)[claim], examples)
        return {"tried_n": list(examples), **robustness, **shuffles[claim]}

    return {claim: answers(claim) for claim in measured(BIASED, examples[-1])}


def _above(pairs: Iterable[Pair], choose: Choice) -> Above:
    """Compare what is chosen of all pairs of different seeds of some pairs of groups with its shuffles."""
    values_and_levels: list[list[Array]] = [[np.empty(0)], [np.empty(0)]]
    for null, *groups in pairs:
        different = null.different(*groups)
        if different.any():
            both = [null.block(f"{BIASED}_{ending}", *groups)[different] for ending in ("value", "level")]
            chosen = choose(both[0].mean(axis=0))
            for kept, array in zip(values_and_levels, both, strict=True):
                kept.append(array[:, chosen].ravel())
    return above_shuffles(*map(np.concatenate, values_and_levels))


def _above_within(null: Compared, choose: Choice) -> tuple[Array, Array]:
    """Return what is chosen of the similarities within the one network of a group, and its shuffles."""
    (group,) = null.groups
    value, level = (null.block(f"{BIASED}_{ending}", group, group)[0, 0] for ending in ("value", "level"))
    chosen = choose(value)
    return value[chosen], level[chosen]


def _blocks_of(*places: tuple[Sequence[int], Sequence[int]]) -> Choice:
    """Choose the similarities of some layers with some others, rows and columns, for each such pair of lists."""

    def chosen(mean: Array) -> Mask:
        mask = np.zeros(mean.shape, bool)
        for rows, columns in places:
            mask[np.ix_(rows, columns)] = True
        return mask & other_layers(mean)

    return chosen


def _last_convolution(mean: Array) -> Mask:
    """Choose the similarities of the last convolution with all other layers."""
    return _blocks_of(([len(mean) - 2], range(len(mean))))(mean)


def ask_correspondence(compared: Compared, null: Compared) -> Answers:
    """Ask of claims F2a and S8, from the one group of a comparison and its shuffles."""
    (group,) = compared.groups

    def measure(index: str, n: int) -> Measured:
        table = compared.block(compared.name(index, n), group, group)
        return {"F2a": map_values(table), "S8": percent(table, index)}

    return _ask(measure, compared.examples, dict.fromkeys(("F2a", "S8"), _above([(null, group, group)], best_matches)))


def ask_table_2(tables: Tables) -> Answers:
    """Ask of claims S12 and S13 whether they hold with debiased in place of linear CKA, the other indexes as they are.

    Nothing else is asked of them: few indexes were measured on fewer examples, and only linear CKA on shuffled ones.
    """
    compared = {linear: compared_indexes(tables, linear) for linear in (BIASED, DEBIASED)}
    known, examples = {"S12", "S13"} & compared[BIASED].keys(), tables.examples(BIASED)
    if examples is None:
        return {}

    def measure(index: str, n: int) -> Measured:
        return {claim: compared[index].get(claim, {}) for claim in sorted(known)}

    return _ask(measure, [examples], dict.fromkeys(known, above_shuffles(np.empty(0), np.empty(0))))


def ask_depth(within: Mapping[str, Mapping[str, Array]], null: Mapping[str, Compared]) -> Answers:
    """Ask of claim F3b, from the arrays of :func:`repsim.lab.measurements.within` and the shuffles of each group."""
    groups = [group for group in DEPTHS.values() if group in within]
    chosen = [_above_within(null[group], _last_convolution) for group in groups]
    above = above_shuffles(*(np.concatenate(arrays) for arrays in zip(*chosen, strict=True)))

    def measure(index: str, n: int) -> Measured:
        return {"F3b": depth_similarities({group: within[group][f"{index}_{n}"] for group in groups})}

    return _ask(measure, _examples(within[groups[0]]), {"F3b": above})


def ask_residual(within: Mapping[str, Array], layers: Sequence[str], null: Compared) -> Answers:
    """Ask of claims F4a to F4c, from the arrays and layers of a group of residual networks and its shuffles."""
    sums, interior = block_places(layers)

    blocks = _blocks_of(*((own, [*own, *inside]) for own, inside in zip(sums, interior, strict=True)))
    additions = [place for own in sums for place in own]
    choices = {"F4a": _last_convolution, "F4b": blocks, "F4c": _blocks_of((additions, additions))}
    shuffles = {claim: above_shuffles(*_above_within(null, choose)) for claim, choose in choices.items()}
    return _ask(lambda index, n: figure_4(within[f"{index}_{n}"], layers), _examples(within), shuffles)


def ask_figure_5(compared: Compared, null: Compared) -> Answers:
    """Ask of claims F5a to F5d."""
    shuffles = {
        claim: _above([(null, *pair)], best_matches)
        for claim, pair in FIGURE_5.items()
        if set(pair) <= set(null.groups)
    }
    return _ask(lambda index, n: figure_5(compared, index, n), compared.examples, shuffles)


def ask_figure_6(compared: Compared, null: Compared) -> Answers:
    """Ask of claims F6a to F6e."""
    *_, widest = by_width(null.groups)
    same = [(null, group, group) for group in null.groups]
    other = [(null, group, widest) for group in null.groups]
    pairs = {"F6a": same, "F6b": other, "F6c": same, "F6d": [(null, widest, widest)], "F6e": [*same, *other]}
    shuffles = {claim: _above(claim_pairs, same_layers(slice(0, CONVOLUTIONS))) for claim, claim_pairs in pairs.items()}
    return _ask(lambda index, n: figure_6(width_curves(compared, index, n)), compared.examples, shuffles)


def ask_figure_7(compared: Sequence[Compared], null: Sequence[Compared]) -> Answers:
    """Ask of claims F7a to F7e, from the comparisons on the images of CIFAR-10 and of CIFAR-100."""

    def measure(index: str, n: int) -> Measured:
        panels = [dataset_curves(comparison, index, n) for comparison in compared]
        return figure_7(*({curve: mean for curve, (mean, _) in panel.items()} for panel in panels))

    def above(panels: Sequence[Compared], curves: Sequence[str], layers: slice) -> Above:
        return _above([(panel, *CURVES[curve]) for panel in panels for curve in curves], same_layers(layers))

    trained = ("c10_c10", "c10_c100")
    shuffles = {
        "F7a": above(null[:1], trained, EARLY),
        "F7b": above(null[1:], trained, EARLY),
        "F7c": above(null[:1], trained, LATE),
        "F7d": above(null, ("c10_c100", "untrained_c10"), AFTER_FIRST),
        "F7e": above(null, ("c10_c100", "untrained_c100"), AFTER_FIRST),
    }
    return _ask(measure, compared[0].examples, shuffles)


def ask_figure_f4(compared: Compared, null: Compared) -> Answers:
    """Ask of claims F.4a and F.4b, from the comparison of a group with itself before training."""
    trained, untrained = compared.groups
    shuffles = {
        "F.4a": _above([(null, trained, trained), (null, untrained, trained)], same_layers()),
        "F.4b": _above([(null, untrained, untrained)], same_layers()),
    }
    return _ask(lambda index, n: figure_f4(compared, index, n, trained), compared.examples, shuffles)


def ask_figure_f6(compared: Compared, null: Compared) -> Answers:
    """Ask of claims F.6a and F.6b."""
    pairs = [(null, WITH, WITHOUT)]
    shuffles = {"F.6a": _above(pairs, best_matches), "F.6b": _above(pairs, same_layers())}
    return _ask(lambda index, n: figure_f6(compared, index, n), compared.examples, shuffles)


def ask_figure_f7(arrays: Mapping[str, Array], group: str, null: Compared) -> Answers:
    """Ask of claim F.7. Shuffles are those of images of all classes, from a comparison that has the group."""
    shuffles = {"F.7": _above([(null, group, group)], other_layers)}
    return _ask(lambda index, n: {"F.7": figure_f7(arrays, index, n)}, _examples(arrays, "all_"), shuffles)


def ask_figure_f8(compared: Compared, null: Compared) -> Answers:
    """Ask of claim F.8a."""

    def measure(index: str, n: int) -> Measured:
        return {"F.8a": match_path(compared.mean(compared.name(index, n), RESIDUAL, TINY).T)}

    def matches(mean: Array) -> Mask:
        return best_matches(mean.T).T

    return _ask(measure, compared.examples, {"F.8a": _above([(null, RESIDUAL, TINY)], matches)})


def _examples(arrays: Mapping[str, Array], before: str = "") -> list[int]:
    """Return the numbers of examples of the arrays ``<before>cka_linear_<n>``, rising."""
    start = f"{before}{BIASED}_"
    return sorted(int(ending) for name in arrays if (ending := name.removeprefix(start)).isdigit())
