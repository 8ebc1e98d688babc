"""Figure F.4: networks before training, with each other and with trained ones."""

from __future__ import annotations

from typing import Any

import numpy as np

import repsim
from repsim.lab.findings.compared import Compared
from repsim.lab.findings.measures import measures

TRAINED = "plain18"


@measures("F.4a", "F.4b", by=(repsim.cka, repsim.pairwise), networks=(TRAINED, f"{TRAINED}-untrained"))
def figure_f4(
    compared: Compared, index: str = "cka_linear", n: int | None = None, trained: str = TRAINED
) -> dict[str, dict[str, Any]]:
    """Measure claims F.4a and F.4b: mean similarity of same layers of networks of different seeds.

    Parameters
    ----------
    compared
        A comparison of a group and the same networks before training, which is called ``<trained>-untrained``.
    index, n
        Which similarities.
    trained
        Name of the group.
    """
    untrained, name = f"{trained}-untrained", compared.name(index, n)

    def same_layers(first: str, second: str) -> float:
        return float(np.diagonal(compared.mean(name, first, second)).mean())

    both, one, none = (
        same_layers(*groups) for groups in ((trained, trained), (untrained, trained), (untrained, untrained))
    )
    return {"F.4a": {"drop": both - one, "trained": both, "one_trained": one}, "F.4b": {"similarity": none}}
