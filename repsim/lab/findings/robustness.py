"""What is asked of the claims about linear CKA, figure by figure.

Does it hold with debiased CKA? Do the similarities that it rests on exceed those of shuffled examples? From how many
examples on does it hold? Each function returns claim -> answers: those of :func:`robust` with the numbers of
examples as "tried_n", and of :func:`above_shuffles`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import repsim.lab.findings.across_networks as across
from repsim.lab.claims import Claim, load_claims, undetermined
from repsim.lab.findings.architectures import FIGURE_5, RESIDUAL, TINY, figure_5, match_path
from repsim.lab.findings.correspondence import compared_indexes, map_values, percent
from repsim.lab.findings.tables import Array, Compared, Tables
from repsim.lab.findings.within_networks import DEPTHS, block_places, depth_similarities, figure_4

BIASED, DEBIASED = "cka_linear", "cka_linear_debiased"
Answers = dict[str, dict[str, Any]]
Measured = Mapping[str, Mapping[str, Any]]
Mask = NDArray[np.bool_]
Choice = Callable[[Array], Mask]  # from the mean similarities (L1, L2) to those that a claim rests on


def same_layers(layers: slice = slice(None)) -> Choice:
    """Choose the same layer of both networks, of all or of a slice of the layers."""

    def chosen(mean: Array) -> Mask:
        rows, columns = map(np.arange, mean.shape)
        return np.asarray((rows[:, None] == columns) & np.isin(columns, np.arange(min(mean.shape))[layers]))

    return chosen


def best_matches(mean: Array) -> Mask:
    """Choose each layer's best match."""
    return np.asarray(np.arange(mean.shape[1]) == mean.argmax(axis=1)[:, None])


def other_layers(mean: Array) -> Mask:
    """Choose all pairs of different layers."""
    return np.not_equal.outer(*map(np.arange, mean.shape))


def robust(claim: Claim, measure: Callable[[str, int], Mapping[str, Any]], examples: Sequence[int]) -> dict[str, Any]:
    """Return whether a predicate holds of what `measure` gives of an index and each of the rising numbers of examples.

    "holds_at" each with biased CKA, "holds_debiased" at the most, and "smallest_n", from which on it always holds. 1 is
    yes, 0 no, None what could not be measured or determines no verdict.
    """

    def holds(index: str, n: int) -> int | None:
        values = measure(index, n)
        outcome = None if undetermined(values) else claim.predicate.holds(values, claim.paper)
        return None if outcome is None else int(outcome)

    at = [holds(BIASED, n) for n in examples]
    first = max((place + 1 for place, outcome in enumerate(at) if outcome != 1), default=0)
    least = examples[first] if first < len(examples) else None
    return {"holds_debiased": holds(DEBIASED, examples[-1]), "holds_at": at, "smallest_n": least}


def bias(arrays: Mapping[str, Array], examples: int) -> float:
    """Return by how much biased and debiased CKA differ at most, from :func:`repsim.lab.measurements.within`."""
    return float(np.abs(arrays[f"{BIASED}_{examples}"] - arrays[f"{DEBIASED}_{examples}"]).max())


def above_shuffles(value: Array, level: Array) -> dict[str, Any]:
    """Return whether all and which share of similarities exceed the 99.9th percentiles of their shuffles, `level`."""
    above = np.asarray(value, np.float64) > level
    some = above.size > 0
    return {
        "exceeds_shuffles": int(above.all()) if some else None,
        "share_above_shuffles": float(above.mean()) if some else None,
    }


def _ask(measure: Callable[[str, int], Measured], examples: Sequence[int], shuffles: Measured) -> Answers:
    """Answer for every claim that `measure` returns from an index and a number of examples."""
    known, measured = load_claims(), cache(measure)

    def answers(claim: str) -> dict[str, Any]:
        robustness = robust(known[claim], lambda index, n: measured(index, n)[claim], examples)
        return {"tried_n": list(examples), **robustness, **shuffles[claim]}

    return {claim: answers(claim) for claim in measured(BIASED, examples[-1])}


def _above(null: Compared | Iterable[Compared], choose: Choice, pairs: Sequence[Sequence[str]] = ()) -> dict[str, Any]:
    """Compare what is chosen of some similarities with its shuffles.

    Of all networks of different seeds of some pairs of groups or, without these, of the one network with itself.
    """
    values, levels = [np.empty(0)], [np.empty(0)]
    for shuffled in [null] if isinstance(null, Compared) else null:
        for groups in pairs or [shuffled.groups * 2]:
            among = shuffled.different(*groups) if pairs else np.ones((1, 1), bool)
            if among.any():
                value, level = (shuffled.block(f"{BIASED}_{end}", *groups)[among] for end in ("value", "level"))
                chosen = choose(value.mean(axis=0))
                values.append(value[:, chosen].ravel())
                levels.append(level[:, chosen].ravel())
    return above_shuffles(np.concatenate(values), np.concatenate(levels))


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
    pair = compared.groups * 2

    def measure(index: str, n: int) -> Measured:
        table = compared.block(compared.name(index, n), *pair)
        return {"F2a": map_values(table), "S8": percent(table, index)}

    return _ask(measure, compared.examples, dict.fromkeys(("F2a", "S8"), _above(null, best_matches, [pair])))


def ask_table_2(tables: Tables) -> Answers:
    """Ask of claims S12 and S13 whether they hold with debiased in place of linear CKA, the other indexes as they are.

    Nothing else is asked of them: few indexes were measured on fewer examples, and only linear CKA on shuffled ones.
    """
    compared = {linear: compared_indexes(tables, linear) for linear in (BIASED, DEBIASED)}
    known, examples = sorted({"S12", "S13"} & compared[BIASED].keys()), tables.examples(BIASED)
    if examples is None:
        return {}
    nothing = above_shuffles(np.empty(0), np.empty(0))
    return _ask(
        lambda index, _: {claim: compared[index].get(claim, {}) for claim in known},
        [examples],
        dict.fromkeys(known, nothing),
    )


def ask_depth(within: Mapping[str, Mapping[str, Array]], null: Mapping[str, Compared]) -> Answers:
    """Ask of claim F3b, from the arrays of :func:`repsim.lab.measurements.within` and the shuffles of each group."""
    groups = [group for group in DEPTHS.values() if group in within]
    above = _above([null[group] for group in groups], _last_convolution)

    def measure(index: str, n: int) -> Measured:
        return {"F3b": depth_similarities({group: within[group][f"{index}_{n}"] for group in groups})}

    return _ask(measure, _examples(within[groups[0]]), {"F3b": above})


def ask_residual(within: Mapping[str, Array], layers: Sequence[str], null: Compared) -> Answers:
    """Ask of claims F4a to F4c, from the arrays and layers of a group of residual networks and its shuffles."""
    sums, interior = block_places(layers)
    blocks = _blocks_of(*((own, [*own, *inside]) for own, inside in zip(sums, interior, strict=True)))
    additions = [place for own in sums for place in own]
    choices = {"F4a": _last_convolution, "F4b": blocks, "F4c": _blocks_of((additions, additions))}
    shuffles = {claim: _above(null, choose) for claim, choose in choices.items()}
    return _ask(lambda index, n: figure_4(within[f"{index}_{n}"], layers), _examples(within), shuffles)


def ask_figure_5(compared: Compared, null: Compared) -> Answers:
    """Ask of claims F5a to F5d."""
    there = {claim: pair for claim, pair in FIGURE_5.items() if set(pair) <= set(null.groups)}
    shuffles = {claim: _above(null, best_matches, [pair]) for claim, pair in there.items()}
    return _ask(partial(figure_5, compared), compared.examples, shuffles)


def ask_figure_6(compared: Compared, null: Compared) -> Answers:
    """Ask of claims F6a to F6e."""
    *_, widest = across.by_width(null.groups)
    same = [(group, group) for group in null.groups]
    other = [(group, widest) for group in null.groups]
    pairs = {"F6a": same, "F6b": other, "F6c": same, "F6d": [(widest, widest)], "F6e": [*same, *other]}
    convolutions = same_layers(slice(0, across.CONVOLUTIONS))
    shuffles = {claim: _above(null, convolutions, of_claim) for claim, of_claim in pairs.items()}
    return _ask(lambda index, n: across.figure_6(across.width_curves(compared, index, n)), compared.examples, shuffles)


def ask_figure_7(compared: Sequence[Compared], null: Sequence[Compared]) -> Answers:
    """Ask of claims F7a to F7e, from the comparisons on the images of CIFAR-10 and of CIFAR-100."""

    def measure(index: str, n: int) -> Measured:
        panels = [across.dataset_curves(comparison, index, n) for comparison in compared]
        return across.figure_7(*({curve: mean for curve, (mean, _) in panel.items()} for panel in panels))

    rests = {
        "F7a": (null[:1], "c10_c10", across.EARLY),
        "F7b": (null[1:], "c10_c10", across.EARLY),
        "F7c": (null[:1], "c10_c10", across.LATE),
        "F7d": (null, "untrained_c10", across.AFTER_FIRST),
        "F7e": (null, "untrained_c100", across.AFTER_FIRST),
    }
    shuffles = {
        claim: _above(panels, same_layers(layers), [across.CURVES["c10_c100"], across.CURVES[curve]])
        for claim, (panels, curve, layers) in rests.items()
    }
    return _ask(measure, compared[0].examples, shuffles)


def ask_figure_f4(compared: Compared, null: Compared) -> Answers:
    """Ask of claims F.4a and F.4b, from the comparison of a group with itself before training."""
    trained, untrained = compared.groups
    shuffles = {
        "F.4a": _above(null, same_layers(), [(trained, trained), (untrained, trained)]),
        "F.4b": _above(null, same_layers(), [(untrained, untrained)]),
    }
    return _ask(partial(across.figure_f4, compared, trained=trained), compared.examples, shuffles)


def ask_figure_f6(compared: Compared, null: Compared) -> Answers:
    """Ask of claims F.6a and F.6b."""
    choices = {"F.6a": best_matches, "F.6b": same_layers()}
    shuffles = {claim: _above(null, choose, [(across.WITH, across.WITHOUT)]) for claim, choose in choices.items()}
    return _ask(partial(across.figure_f6, compared), compared.examples, shuffles)


def ask_figure_f7(arrays: Mapping[str, Array], group: str, null: Compared) -> Answers:
    """Ask of claim F.7. Shuffles are those of images of all classes, from a comparison that has the group."""
    shuffles = {"F.7": _above(null, other_layers, [(group, group)])}
    return _ask(lambda index, n: {"F.7": across.figure_f7(arrays, index, n)}, _examples(arrays, "all_"), shuffles)


def ask_figure_f8(compared: Compared, null: Compared) -> Answers:
    """Ask of claim F.8a."""

    def measure(index: str, n: int) -> Measured:
        return {"F.8a": match_path(compared.mean(compared.name(index, n), RESIDUAL, TINY).T)}

    shuffles = {"F.8a": _above(null, lambda mean: best_matches(mean.T).T, [(RESIDUAL, TINY)])}
    return _ask(measure, compared.examples, shuffles)


def _examples(arrays: Mapping[str, Array], before: str = "") -> list[int]:
    """Return the numbers of examples of the arrays ``<before>cka_linear_<n>``, rising."""
    start = f"{before}{BIASED}_"
    return sorted(int(ending) for name in arrays if (ending := name.removeprefix(start)).isdigit())
