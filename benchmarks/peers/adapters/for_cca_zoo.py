"""cca-zoo: canonical correlations of fitted models, of one component unless told otherwise."""

import numpy as np
from cca_zoo.linear import CCA
from cca_zoo.metrics import average_pairwise_correlations, pairwise_correlations
from protocol import run


def default(x, y):
    return CCA().fit([x, y]).score([x, y])


def _fitted(x, y):
    return CCA(n_components=min(x.shape[1], y.shape[1])).fit([x, y])


def mean(x, y):
    return _fitted(x, y).score([x, y])


def mean_square(x, y):
    model = _fitted(x, y)
    return np.mean(average_pairwise_correlations(pairwise_correlations(model.transform([x, y]))) ** 2)


def in_double(call):
    return lambda x, y: call(x.astype(np.float64), y.astype(np.float64))


if __name__ == "__main__":
    calls = {
        "CCA().score": default,
        "CCA(all components).score": mean,
        "mean square of CCA(all components)": mean_square,
    }
    run("cca-zoo", calls | {f"{name}, double": in_double(call) for name, call in calls.items()})
