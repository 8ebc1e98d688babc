"""repsim, the package of that name on the index, which is not this project: functions on lists of matrices."""

from functools import partial

from protocol import run

import repsim


def of(function, x, y, **options):
    return function([x, y], **options)[0, 1]


if __name__ == "__main__":
    entries = {
        f"{name}({kernel}, {estimator})": partial(of, getattr(repsim, name), kernel_type=kernel, estimator=estimator)
        for name in ("cka", "hsic")
        for kernel in ("linear",)
        for estimator in ("gretton", "song", "lange")
    }
    entries |= {
        f"cka({kernel}, gretton)": partial(of, repsim.cka, kernel_type=kernel, estimator="gretton")
        for kernel in ("rbf", "rbf_mean", "rbf_dualmed")
    }
    entries |= {
        f"{name}({summary})": partial(of, getattr(repsim, name), summary_type=summary)
        for name in ("cca", "svcca")
        for summary in ("yanai", "pillai")
    }
    run("repsim", {**entries, "pwcca": partial(of, repsim.pwcca), "dot_product": partial(of, repsim.dot_product)})
