"""What more examples change: the score of CCA beside random subspaces, up to as many examples as the paper has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

import repsim
from repsim.lab.findings import measures
from repsim.lab.findings.correspondence import mean_map, score
from repsim.lab.findings.tables import Array, Compared


def as_measure(compared: Compared, examples: int) -> Any:
    """Return what was compared among the networks of the only group, as :class:`repsim.lab.findings.Tables` reads it.

    Parameters
    ----------
    compared
        Of :func:`repsim.lab.measurements.between`.
    examples
        On how many examples.
    """
    (group,) = compared.groups
    part, names = compared.part(group), compared.record["indexes"]
    record = {"split": compared.record["split"], "examples": examples, "indexes": names}
    record |= {"layers": part["layers"], "features": part["features"]}
    arrays = {index: compared.block(compared.name(index, examples), group, group) for index in names}
    return SimpleNamespace(record=record, arrays=lambda: arrays)


def random_r2(ranks: tuple[int, int], examples: int) -> float:
    r"""Return the expected R² of CCA of random subspaces of given ranks, of the n - 1 dimensions of centred examples.

    The mean of :math:`\|Q_Y^T Q_X\|_F^2` is the product of the ranks over n - 1, so that of R² is the larger rank over
    n - 1, and 1 where that reaches n - 1.

    Examples
    --------
    >>> random_r2((16384, 8192), 20_000), random_r2((16384, 8192), 50_000)
    (0.81924096204810..., 0.32768655373107...)
    """
    return min(1.0, max(ranks) / (examples - 1))


@measures("N1", by=(repsim.cca, repsim.jackknife), networks=("tiny10",))
def n1(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Measure claim N1 from the rows of :func:`against_n`."""
    return {
        "N1": {
            "scores": [row["identified"] for row in rows],
            "errors": [row["error"] for row in rows],
            "tried_n": [row["examples"] for row in rows],
            "examples": max(row["examples"] for row in rows),
        }
    }


def against_n(tables: Mapping[int, Array], ranks: Sequence[int]) -> list[dict[str, Any]]:
    """Return what CCA R² scores as the number of examples grows, beside random subspaces of the same ranks.

    Parameters
    ----------
    tables
        Number of examples -> R² of CCA (m, m, L, L).
    ranks
        Of each layer, as far as the examples allow.

    Returns
    -------
    list of dict
        For each number of examples, percent of layers `identified` with their jackknife `error`, and `layers`: for
        each one, the mean R² with the same layer of other networks, and that of `random` subspaces.
    """
    rows = []
    for examples, table in sorted(tables.items()):
        scored = score(table, "cca_r2")
        rows.append(
            {
                "examples": examples,
                "identified": 100 * scored.estimate,
                "error": 100 * scored.standard_error,
                "layers": np.diag(mean_map(table)).tolist(),
                "random": [random_r2((rank, rank), examples) for rank in ranks],
            }
        )
    return rows
