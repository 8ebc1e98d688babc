"""Figure F.7: CKA on the images of one class at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import repsim
from repsim.lab.findings.correspondence import mean_map
from repsim.lab.findings.measures import measures
from repsim.lab.findings.tables import Array


@measures("F.7", by=(repsim.cka, repsim.pairwise), networks=("plain10",))
def figure_f7(arrays: Mapping[str, Array], index: str = "cka_linear", n: int | None = None) -> dict[str, Any]:
    """Measure claim F.7: Pearson's r between the maps of all images and of single classes, off their diagonals.

    Parameters
    ----------
    arrays
        Of :func:`repsim.lab.measurements.within_class`; maps are means over pairs of networks.
    index
        Biased or debiased linear CKA.
    n
        Number of images of all classes; None: the most that there are.
    """
    most = max(int(name.rsplit("_", 1)[1]) for name in arrays)
    ending = f"{index}_{most if n is None else n}"
    whole, single = (mean_map(np.asarray(arrays[f"{kind}_{ending}"], np.float64)) for kind in ("all", "class"))
    off = ~np.eye(len(whole), dtype=bool)
    first, second = whole[off], single[off]
    varied = np.ptp(first) > 0 and np.ptp(second) > 0
    return {"correlation": float(np.corrcoef(first, second)[0, 1]) if varied else 0.0, "entries": int(off.sum())}
