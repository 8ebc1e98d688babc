"""Every index from its definition, with 50 digits, as plainly as possible and sharing nothing with the package."""

import mpmath as mp

mp.mp.dps = 50


def matrix(x):
    if isinstance(x, mp.matrix):
        return x.copy()
    return mp.matrix([[mp.mpf(float(v)) for v in row] for row in x])


def centred(x):
    x = matrix(x)
    for j in range(x.cols):
        mean = mp.fsum(x[:, j]) / x.rows
        for i in range(x.rows):
            x[i, j] -= mean
    return x


def trace(a):
    return mp.fsum(a[i, i] for i in range(a.rows))


def inner(a, b):
    return mp.fsum(a[i, j] * b[i, j] for i in range(a.rows) for j in range(a.cols))


def projector(x):
    """Orthogonal projector on the columns of x, which has full column rank."""
    return x * mp.inverse(x.T * x) * x.T


def inverse_root(a):
    values, vectors = mp.eigsy(a)
    return vectors * mp.diag([1 / mp.sqrt(v) for v in values]) * vectors.T


def whitened(x):
    return x * inverse_root(x.T * x)


def nuclear(a):
    return mp.fsum(mp.svd_r(a, compute_uv=False))


def linear_gram(x):
    c = centred(x)
    return c * c.T


def rbf_gram(x, fraction):
    x = matrix(x)
    n = x.rows
    d = mp.matrix(n, n)
    for i in range(n):
        for j in range(n):
            d[i, j] = mp.fsum((x[i, k] - x[j, k]) ** 2 for k in range(x.cols))
    entries = sorted(d)
    median = (entries[(n * n - 1) // 2] + entries[n * n // 2]) / 2
    return mp.matrix([[mp.exp(-d[i, j] / (2 * mp.mpf(fraction) ** 2 * median)) for j in range(n)] for i in range(n)])


def biased_hsic(k, m):
    n = k.rows
    h = mp.eye(n) - mp.ones(n) / n
    return trace(k * h * m * h) / (n - 1) ** 2


def debiased_hsic(k, m):
    """Equation 5 of Song et al. (2007)."""
    n = k.rows
    k, m = k.copy(), m.copy()
    for i in range(n):
        k[i, i] = m[i, i] = mp.mpf(0)
    one = mp.ones(n, 1)
    total = trace(k * m) + (one.T * k * one)[0] * (one.T * m * one)[0] / ((n - 1) * (n - 2))
    return (total - 2 * (one.T * k * m * one)[0] / (n - 2)) / (n * (n - 3))


def hsic(x, y, *, kernel="linear", bandwidth=None, debiased=False):
    k, m = (linear_gram(z) if kernel == "linear" else rbf_gram(z, bandwidth) for z in (x, y))
    return debiased_hsic(k, m) if debiased else biased_hsic(k, m)


def cka(x, y, **options):
    return hsic(x, y, **options) / mp.sqrt(hsic(x, x, **options) * hsic(y, y, **options))


def cca_of(x, y, statistic):
    p1 = min(x.cols, y.cols)
    if statistic == "r2":
        return trace(projector(x) * projector(y)) / p1
    return nuclear(whitened(y).T * whitened(x)) / p1


def cca(x, y, *, statistic):
    return cca_of(centred(x), centred(y), statistic)


def truncated(x, threshold, of="variance"):
    x = centred(x)
    values, vectors = mp.eigsy(x.T * x)
    order = sorted(range(len(values)), key=lambda i: -values[i])
    power = [values[i] if of == "variance" else mp.sqrt(values[i]) for i in order]
    kept = next(k for k in range(1, len(power) + 1) if mp.fsum(power[:k]) >= mp.mpf(threshold) * mp.fsum(power))
    return x * mp.matrix([[vectors[r, c] for c in order[:kept]] for r in range(vectors.rows)])


def svcca(x, y, *, statistic, threshold=0.99, truncation="variance"):
    return cca_of(truncated(x, threshold, truncation), truncated(y, threshold, truncation), statistic)


def pwcca(x, y, squared=False):
    """By the eigenvectors of the classical problem; needs distinct correlations and p1 <= p2."""
    x, y = centred(x), centred(y)
    q = whitened(x)
    squares, vectors = mp.eigsy(q.T * projector(y) * q)
    h = q * vectors
    dots = h.T * x
    power = 2 if squared else 1
    alpha = [mp.fsum(abs(dots[i, j]) ** power for j in range(x.cols)) for i in range(h.cols)]
    return mp.fsum(a * mp.sqrt(s) ** power for a, s in zip(alpha, squares, strict=True)) / mp.fsum(alpha)


def linear_regression(x, y):
    x, y = centred(x), centred(y)
    residual = x - projector(y) * x
    return 1 - inner(residual, residual) / inner(x, x)


def procrustes(x, y):
    x, y = centred(x), centred(y)
    return nuclear(y.T * x) / mp.sqrt(inner(x, x) * inner(y, y))


def canonical_ridge(x, y, *, kappa_x, kappa_y, normaliser):
    a, b = (
        z * inverse_root(z.T * z + mp.mpf(kappa) * mp.eye(z.cols))
        for z, kappa in ((centred(x), kappa_x), (centred(y), kappa_y))
    )
    cross = b.T * a
    if normaliser == "cosine":
        return inner(cross, cross) / mp.sqrt(inner(a.T * a, a.T * a) * inner(b.T * b, b.T * b))
    sums = inner(a, a), inner(b, b)
    return inner(cross, cross) / (sums[0] if normaliser == "first" else min(sums))


def reduced(x):
    """Return a matrix of full column rank with the same X X' as the centred x, whatever the rank of that."""
    x = centred(x)
    wide = x.cols > x.rows
    values, vectors = mp.eigsy(x * x.T if wide else x.T * x)
    kept = [i for i, value in enumerate(values) if value > mp.mpf(10) ** -35 * max(values)]
    chosen = mp.matrix([[vectors[r, c] for c in kept] for r in range(vectors.rows)])
    return chosen * mp.diag([mp.sqrt(values[i]) for i in kept]) if wide else x * chosen


def canonical_correlations(x, y):
    """Descending, of x and y of full column rank."""
    return sorted(mp.svd_r(whitened(centred(y)).T * whitened(centred(x)), compute_uv=False), reverse=True)


def distances(x):
    """Squared, of all pairs of examples."""
    x = matrix(x)
    pairs = [(i, j) for i in range(x.rows) for j in range(i)]
    return [mp.fsum((x[i, k] - x[j, k]) ** 2 for k in range(x.cols)) for i, j in pairs]


def ranks(values):
    """From 1, those of equal values being their mean."""
    return [
        mp.mpf(sum(v < value for v in values)) + mp.mpf(sum(v == value for v in values) + 1) / 2 for value in values
    ]


def rsa(x, y):
    a, b = (centred([[rank] for rank in ranks(distances(z))]) for z in (x, y))
    return inner(a, b) / mp.sqrt(inner(a, a) * inner(b, b))


def neighbours(x, k):
    """The k examples of greatest cosine with each, in the order of their numbers where these are equal."""
    gram = matrix(x) * matrix(x).T
    cosine = [[gram[i, j] / mp.sqrt(gram[i, i] * gram[j, j]) for j in range(gram.cols)] for i in range(gram.rows)]
    return [
        set(sorted((j for j in range(len(row)) if j != i), key=lambda j: -row[j])[:k]) for i, row in enumerate(cosine)
    ]  # noqa: B023


def mutual_knn(x, y, *, k=10):
    a, b = neighbours(x, k), neighbours(y, k)
    return mp.fsum(len(p & q) for p, q in zip(a, b, strict=True)) / (k * len(a))


def rows_of(x, chosen):
    return mp.matrix([[x[i, j] for j in range(x.cols)] for i in chosen])


def less(x, mean):
    return mp.matrix([[x[i, j] - mean[j] for j in range(x.cols)] for i in range(x.rows)])


def means(x):
    return [mp.fsum(x[:, j]) / x.rows for j in range(x.cols)]


def ridge_fit(y, x, penalty):
    return mp.inverse(y.T * y + penalty * mp.eye(y.cols)) * y.T * x


def validation_error(y, x, penalty):
    """Generalised cross-validation of Golub, Heath and Wahba (1979), the mean being a degree of freedom."""
    hat = y * mp.inverse(y.T * y + penalty * mp.eye(y.cols)) * y.T
    residual = x - hat * x
    return inner(residual, residual) / (y.rows - 1 - trace(hat)) ** 2


STRENGTHS = [mp.mpf(10) ** power for power in range(-8, 2)]


def linear_predictivity(x, y, *, folds=5, strengths=STRENGTHS):
    x, y, error = centred(x), centred(y), mp.mpf(0)
    for fold in range(folds):
        fitted = [i for i in range(x.rows) if i % folds != fold]
        out = [i for i in range(x.rows) if i % folds == fold]
        mean_x, mean_y = (means(rows_of(z, fitted)) for z in (x, y))
        a, b = less(rows_of(x, fitted), mean_x), less(rows_of(y, fitted), mean_y)
        largest = max(mp.eigsy(b.T * b, eigvals_only=True))
        penalty = min((s * largest for s in strengths), key=lambda s: validation_error(b, a, s))  # noqa: B023
        residual = less(rows_of(x, out), mean_x) - less(rows_of(y, out), mean_y) * ridge_fit(b, a, penalty)
        error += inner(residual, residual)
    return 1 - error / inner(x, x)
