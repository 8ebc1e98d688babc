"""Figure 6: wider networks are more similar."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr

import repsim
from repsim.lab.findings.compared import Compared
from repsim.lab.findings.measures import measures
from repsim.lab.findings.tables import Array

CONVOLUTIONS = 8  # the paper's figure leaves the pooling layer out
EARLY = 4
SATURATED = 0.95  # of a layer's similarity at the largest width


@dataclass(frozen=True)
class WidthCurves:
    """Similarity of convolutions against width.

    Attributes
    ----------
    widths
        (W,), rising.
    same, same_error
        (W, 8), mean over pairs of networks of one width, and its jackknife standard error.
    widest, widest_error
        (W, 8), mean over pairs of a network of a width and one of the largest.
    """

    widths: Array
    same: Array
    same_error: Array
    widest: Array
    widest_error: Array


def by_width(groups: Iterable[str]) -> list[str]:
    """Return groups called ``width<channels>``, the narrowest first."""
    return sorted(groups, key=lambda group: int(group.removeprefix("width")))


def width_curves(compared: Compared, index: str = "cka_linear", n: int | None = None) -> WidthCurves:
    """Return both panels of Figure 6 from a comparison of groups called ``width<channels>``."""
    groups = by_width(compared.groups)
    name = compared.name(index, n)
    same = [compared.jackknife(name, group, group) for group in groups]
    widest = [compared.jackknife(name, group, groups[-1]) for group in groups]
    columns = [
        np.stack([pair[part] for pair in pairs])[:, :CONVOLUTIONS] for pairs in (same, widest) for part in (0, 1)
    ]
    return WidthCurves(np.array([int(group.removeprefix("width")) for group in groups], np.float64), *columns)


def rank_correlation(x: Array, y: Array) -> float | None:
    """Return Spearman's rank correlation, 0 where either is the same throughout, None where a value is not known."""
    if not (np.isfinite(x).all() and np.isfinite(y).all()) or len(x) < 2:
        return None
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(spearmanr(x, y).statistic)


def saturation_widths(widths: Array, curves: Array, share: float = SATURATED) -> Array:
    """Return (L,), the first width at which each layer reaches a share of its similarity at the largest width."""
    return np.asarray(widths[np.argmax(curves >= share * curves[-1], axis=0)])


@measures("F6a", "F6b", "F6c", "F6d", "F6e", by=(repsim.cka, repsim.pairwise), networks=("width4", "width4096"))
def figure_6(curves: WidthCurves) -> dict[str, dict[str, Any]]:
    """Measure claims F6a to F6e."""
    logs, narrower = np.log(curves.widths), curves.same[:-1].size
    rising = [rank_correlation(logs, layer) for layer in curves.same.T]
    towards = [rank_correlation(logs[:-1], layer) for layer in curves.widest[:-1].T]
    known = bool(np.isfinite(curves.same).all() and np.isfinite(curves.widest[:-1]).all())
    first = saturation_widths(curves.widths, curves.same)
    there, counts = np.unique(first, return_counts=True)
    commonest = there[counts.argmax()]
    above = (curves.same[:-1] > curves.widest[:-1]).sum(axis=1) if known else np.full(len(logs) - 1, math.nan)
    return {
        "F6a": {"correlations": rising, "widths": len(curves.widths)},
        "F6b": {"correlations": towards, "widths": len(curves.widths) - 1},
        "F6c": {
            "correlation": rank_correlation(np.arange(len(first), dtype=np.float64), first) if known else None,
            "saturation_widths": first.tolist() if known else None,
            "commonest": commonest.tolist() if known else None,
            "saturating_there": int((first == commonest).sum()) if known else None,
        },
        "F6d": {"similarity": float(curves.same[-1, :EARLY].mean()), "largest_width": int(curves.widths[-1])},
        "F6e": {
            "share": float(above.sum() / narrower) if narrower else None,
            "above": above.tolist() if known else None,
        },
    }
