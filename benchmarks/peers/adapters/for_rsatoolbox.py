"""rsatoolbox: dissimilarity matrices of squared Euclidean distances, then comparators of those."""

from functools import partial

from protocol import run
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm, compare


def of(x, y, method):
    first, second = (calc_rdm(Dataset(z), method="euclidean") for z in (x, y))
    return compare(first, second, method=method)[0, 0]


def double(x, y, method):
    return of(x.astype(float), y.astype(float), method)


if __name__ == "__main__":
    methods = ("cosine_cov", "corr_cov", "cosine", "corr", "bures", "spearman")
    entries = {f"compare({method})": partial(of, method=method) for method in methods}
    doubles = {f"compare({method}), double": partial(double, method=method) for method in ("bures", "spearman")}
    run("rsatoolbox", {**entries, **doubles})
