"""This project: every index of its registry, and the debiased one streamed in blocks of examples."""

import warnings

import numpy as np
from protocol import run, streaming

import repsim
from repsim._representation import Representation
from repsim._tiles import Operator, inner_products


@streaming
def in_blocks(x, y, block):
    views = [Operator.linear(Representation(z, name, dtype=np.float64)) for z, name in ((x, "x"), (y, "y"))]
    table, _ = inner_products({"k": views}, [("k", "k")], block=block).debiased("k", "k")
    return table[0, 1] / np.sqrt(table[0, 0] * table[1, 1])


if __name__ == "__main__":
    warnings.simplefilter("ignore", repsim.RankSaturationWarning)
    run("repsim-revisited", {**repsim.INDEXES, "cka_linear_debiased, in blocks": in_blocks})
