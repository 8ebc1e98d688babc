"""The CCA of the authors' demonstration notebook, which cannot be installed: its convention, from its description."""

import numpy as np
from protocol import run


def cca(x, y):
    q = [np.linalg.qr(z)[0] for z in (x, y)]
    return np.linalg.norm(q[0].T @ q[1]) ** 2 / min(x.shape[1], y.shape[1])


def cca_in_double(x, y):
    return cca(x.astype(np.float64), y.astype(np.float64))


if __name__ == "__main__":
    run("representation-similarity-demo", {"cca": cca, "cca, double": cca_in_double})
