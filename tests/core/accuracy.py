"""How far each index is from its definition in 50 digits, against the condition number of what it computes.

``python -m tests.core.accuracy`` writes it down, and prints the table of where that is more than 1e-12, which the page
"What it costs" shows too.
"""

import numpy as np

from benchmarks.engine.rounding import digits
from benchmarks.results import engine_digest
from repsim import RepresentationError, get_index, pairwise
from repsim.lab.repository import results_root
from repsim.lab.store import write_record

from . import oracle
from .hard_cases import PUBLIC, saturation_expected

EPS = float(np.finfo(np.float64).eps)
LIMIT = 1e-12
ROUNDINGS = 16  # that an error may be of, times the condition number
DIFFICULTIES = (1e0, 1e2, 1e4, 1e6, 1e8)


def tolerance(condition):
    """Error that is allowed: 1e-12, or what rounding makes of the condition number."""
    return max(LIMIT, ROUNDINGS * EPS * condition)


def condition(name, x, y):
    """Bound by how much a relative rounding error of what an index computes with is magnified in its value.

    Bases: largest over smallest singular value that counts, and over the gap where components are cut off or axes are
    told apart. Kernels: energy before over energy after centring, and squared lengths over squared distances.
    Procrustes and biased linear kernels: 1.
    """
    index = get_index(name)
    options = dict(index.parameters)
    x, y = (_centred(z) for z in (x, y))
    if index.function.__name__ in ("hsic", "cka"):
        kernel = _linear if options["kernel"] == "linear" else _rbf
        return max(kernel(z, options) for z in (x, y))
    if index.function.__name__ == "procrustes":
        return 1.0
    if index.function.__name__ == "linear_regression":
        return _basis(y)
    if index.function.__name__ == "svcca":
        return max(_truncated(z, options["threshold"]) for z in (x, y))
    bases = max(_basis(z) for z in (x, y))
    return bases * _axes(x, y) if index.function.__name__ == "pwcca" else bases


def _centred(x):
    x = np.asarray(x, dtype=np.float64)
    x = x / np.abs(x).max()
    x = x - x.mean(axis=0)
    return x - x.mean(axis=0)


def _singular(x):
    found = np.linalg.svd(x, compute_uv=False)
    return found[found > max(x.shape) * EPS * found[0] * 4]


def _basis(x):
    singular = _singular(x)
    return float(singular[0] / singular[-1])


def _truncated(x, threshold):
    singular = _singular(x)
    reached = np.cumsum(singular**2) / np.sum(singular**2)
    kept = int(np.searchsorted(reached, threshold * (1 - 1e-13))) + 1
    least = singular[kept - 1] - (singular[kept] if kept < len(singular) else 0.0)
    return float(singular[0] / least)


def _axes(x, y):
    """One over the least gap between canonical correlations, whose axes the weights of PWCCA are found along."""
    bases = [np.linalg.svd(z, full_matrices=False)[0][:, : len(_singular(z))] for z in (x, y)]
    rho = np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)
    rho = rho[(rho > 1e-9) & (rho < 1 - 1e-9)]
    gaps = np.diff(np.concatenate([[0.0], np.sort(rho), [1.0]]))
    return float(1 / gaps.min())


def _linear(x, options):
    if not options["debiased"]:
        return 1.0
    gram = x @ x.T
    return float((np.linalg.norm(gram) / _left(gram, True)) ** 2)


def _rbf(x, options):
    norms = np.einsum("ij,ij->i", x, x)
    distances = np.maximum(norms[:, None] + norms - 2 * x @ x.T, 0)
    np.fill_diagonal(distances, 0)
    median, width = float(np.median(distances)), 2 * options["bandwidth"] ** 2
    gram = np.exp(-distances / (width * median))
    left = _left(gram.copy(), options["debiased"])
    of_entries = np.linalg.norm((norms[:, None] + norms) / (width * median) * gram)
    of_median = float(np.median(norms)) / median * np.linalg.norm(gram * distances / (width * median))
    return float((np.linalg.norm(gram) / left) ** 2 + (of_entries + of_median) / left)


def _left(gram, debiased):
    """Norm that centring leaves."""
    n = len(gram)
    if debiased:
        gram = gram - np.diag(np.diag(gram))
        means = gram.sum(axis=0) / (n - 2)
        gram = gram - means - means[:, None] + means.sum() / (n - 1)
        np.fill_diagonal(gram, 0)
    else:
        means = gram.mean(axis=0)
        gram = gram - means - means[:, None] + means.mean()
    return max(float(np.linalg.norm(gram)), 1e-100)


def data(difficulty, kind, seed=11):
    """Return a pair that is as difficult as told, in the spread of its features or in one example far away."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((10, 3)), rng.standard_normal((10, 3))
    y[:, :2] += x[:, :2]
    if kind == "features":
        spread = np.diag(np.geomspace(1, 1 / difficulty, 3))
        x, y = (z @ spread @ np.linalg.qr(rng.standard_normal((3, 3)))[0] for z in (x, y))
    else:
        x[0] *= difficulty
    return x, y


def rows(names=tuple(PUBLIC), difficulties=DIFFICULTIES, kinds=("features", "example")):
    """Return the table: a dict for each index, kind and difficulty.

    It has the condition number and the errors of the function and of `pairwise`, relative to 1 or for HSIC to the
    value; None where there is a named error instead of a value.
    """
    found = []
    with saturation_expected():
        for kind in kinds:
            for difficulty in difficulties:
                x, y = data(difficulty, kind)
                for name in names:
                    index = get_index(name)
                    exact = getattr(oracle, index.function.__name__)(x, y, **index.parameters)
                    unit = abs(exact) if index.function.__name__ == "hsic" else 1
                    found.append(
                        {
                            "index": name,
                            "difficulty": f"{kind} {difficulty:.0e}",
                            "condition": condition(name, x, y),
                            "function": _error(_own, index, x, y, exact, unit),
                            "pairwise": _error(_by_pairwise, index, x, y, exact, unit),
                        }
                    )
    return found


def _own(index, x, y):
    return index(x, y)


def _by_pairwise(index, x, y):
    return float(pairwise([x], [y], index=index, block=4)[0, 0])


def _error(compute, index, x, y, exact, unit):
    try:
        return float(abs(compute(index, x, y) - exact) / unit)
    except RepresentationError:
        return None


def result():
    """Return what is written down."""
    return {"engine": engine_digest(), "limit": LIMIT, "roundings": ROUNDINGS, "rows": rows()}


if __name__ == "__main__":
    found = result()
    write_record(results_root() / "benchmarks" / "digits.json", found)
    print(digits(found))
