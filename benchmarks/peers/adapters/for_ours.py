"""This project: every index of its registry, and the debiased one streamed in blocks of examples."""

import warnings

from protocol import run, streaming

import repsim


@streaming
def in_blocks(x, y, block):
    return repsim.pairwise([x], [y], index="cka_linear_debiased", block=block)[0, 0]


if __name__ == "__main__":
    # Wide activations saturate CCA and raise biased CKA; that the others do not say so is part of what is shown.
    for warning in (repsim.RankSaturationWarning, repsim.BiasWarning):
        warnings.simplefilter("ignore", warning)
    run("repsim-revisited", {**repsim.INDEXES, "cka_linear_debiased, in blocks": in_blocks})
