"""How operations are counted: a multiplication or an addition is one, and mirror images are done once.

The product of two square matrices of side m takes 2 m³. The upper half of X X', n × n, takes n² p. So a pass over tiles
takes n² (p of all representations together + L² for every table of L × L inner products), without the exponentials of
a kernel, the sums and the reading.
"""


def square_product(side):
    """Count the operations of the product of two square matrices."""
    return 2 * side**3


def tile_pass(n, widths, tables=1):
    """Count those of the tiles of operators with rows of these widths, and of `tables` tables over them."""
    return n * n * (sum(widths) + tables * len(widths) ** 2)


def rbf(n, widths, bandwidths=1):
    """Count those of the kernels' matrix products, once, and of the tables; not those of finding the median."""
    return tile_pass(n, widths, bandwidths)


def median(n, p):
    """Count those of one pass over all distances."""
    return n * n * p


def cross_product(n, p, q):
    """Count those of Y'X of two representations."""
    return 2 * n * p * q


def basis_width(n, p):
    """Return how many vectors the narrower basis has: of the centred columns, or of their complement."""
    return max(0, n - 1 - p) if 2 * p > n - 1 else p


def qr(n, p):
    """Count those of a QR factorisation by reflections, and of the narrower basis from it.

    All reflections change each vector of the complement; those of the columns themselves only from their own on.
    """
    long, short = max(n, p), min(n, p)
    reflections = 2 * long * short**2 - 2 * short**3 / 3
    if p >= n - 1:
        return reflections
    width = basis_width(n, p)
    return reflections + (reflections if width == p else width * (4 * n * p - 2 * p**2))


def qr_bytes(n, p, itemsize=4):
    """Return the memory that such a basis takes, as the engine reckons before it begins: matrix, triangle, basis."""
    return 1.1 * itemsize * (n * (p + 1) + min(n, p) ** 2 + n * basis_width(n, p))


def svd_bytes(n, p):
    """Return the memory that a singular value decomposition takes, as the engine reckons before it begins."""
    return 8 * (3 * n * p + 6 * min(n, p) ** 2)
