"""What more examples change: claims on as many as the paper has, and CCA beside random subspaces up to that many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

import repsim
from repsim.lab.findings import measures
from repsim.lab.findings.correspondence import FIGURE_2, TABLE_2, figure_2, figure_f3, percent, table_2_claims
from repsim.lab.findings.tables import Array, Compared, Tables, mean_map

PAPERS_N = "papers-n"  # the profile's comparison of Tiny-10 on as many training images as the paper


def as_tables(compared: Compared) -> Tables:
    """Return what was compared among the networks of the only group, on the most examples, as tables of a measure.

    `compared` is of :func:`repsim.lab.measurements.between`.
    """
    (group,), examples, indexes = compared.groups, max(compared.examples), compared.record["indexes"]
    side = compared.part(group)
    record = {"split": compared.record["split"], "examples": examples, "indexes": indexes}
    record |= {"layers": side["layers"], "features": side["features"]}
    record |= {"median": compared.record.get("median", "exact")}
    arrays = {index: compared.block(compared.name(index, examples), group, group) for index in indexes}
    return Tables({PAPERS_N: SimpleNamespace(record=record, arrays=lambda: arrays)})


def beside_fewer(full: Tables, tables: Tables) -> list[dict[str, Any]]:
    """Return the columns of Table 2 on as many images as the paper's, and of the same networks on fewer, percent.

    Parameters
    ----------
    full, tables
        Of as many images, of the first networks of the others.
    """
    rows = []
    for index, _, paper in TABLE_2:
        table, fewer = full.get(index), tables.get(index)
        if table is not None and fewer is not None:
            before = percent(fewer[: len(table), : len(table)], index)
            rows.append(
                {
                    "index": index,
                    "paper": paper,
                    **percent(table, index),
                    "fewer": before["accuracy"],
                    "fewer_error": before["standard_error"],
                    "fewer_examples": tables.examples(index),
                }
            )
    return rows


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
        scored = percent(table, "cca_r2")
        rows.append(
            {
                "examples": examples,
                "identified": scored["accuracy"],
                "error": scored["standard_error"],
                "layers": np.diag(mean_map(table)).tolist(),
                "random": [random_r2((rank, rank), examples) for rank in ranks],
            }
        )
    return rows


AT_PAPERS_N = {
    "S12n": "cka_linear",
    "S13n": "cka_linear",
    "S14n": "linear_regression",
    "F.3n": "svcca_r2",
    **{f"{claim}n": index for index, claim, _ in TABLE_2},
    **{f"{claim}n": index for claim, index in FIGURE_2.items() if claim not in ("F2a", "F2b")},
}


@measures(AT_PAPERS_N, by=(repsim.jackknife, repsim.jackknife_z_test, repsim.pairwise), networks=("tiny10",))
def at_papers_n(tables: Tables) -> dict[str, dict[str, Any]]:
    """Measure the claims of Figure 2, Table 2 and Figure F.3 on as many images as the paper, those that can be.

    Parameters
    ----------
    tables
        Of measures of one number of training images. The claims' names end in "n".
    """
    claims = figure_2(tables) | table_2_claims(tables) | {"F.3": figure_f3(tables)}
    images = min(int(record["examples"]) for record in tables.records.values())
    return {
        f"{claim}n": {**values, "images": images}
        for claim, values in claims.items()
        if values and f"{claim}n" in AT_PAPERS_N
    }
