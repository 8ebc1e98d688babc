"""Tables of inner products of operators, and what follows from them: centred moments of all pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from repsim.engine.arrays import Float64
from repsim.engine.operators import Families, Made, Operator, Products, examples, itemsize
from repsim.errors import ParameterError

ROUNDING = 1e-6  # beyond a bound, that is rounding of float32 numbers
Ranks = Mapping[str, tuple[int, int]]  # rank and number of features, by the name of the representation


@dataclass(frozen=True, eq=False)
class Side:
    """What is known of each of m operators on one side of a table."""

    names: Sequence[str]  # of the representations
    trace: Float64  # (m,), as all that follow: of the centred operator
    square: Float64  # its inner product with itself
    diagonal_square: Float64  # sum of its squared diagonal entries
    noise: Float64  # what `square` would be of rounding errors alone
    rank: Float64  # of projectors
    exponent: Float64  # power of two that scaling took out
    width: Float64  # number of features of the representation

    @property
    def ranks(self) -> Ranks:
        """Those of projectors."""
        known = zip(self.names, self.rank, self.width, strict=True)
        return {name: (int(rank), int(width)) for name, rank, width in known if rank}

    def take(self, places: Sequence[int]) -> Side:
        """Return the same of some of them."""
        return Side([self.names[i] for i in places], *(getattr(self, one.name)[places] for one in fields(self)[1:]))


@dataclass(frozen=True, eq=False)
class Moments:
    """Inner products of centred operators A of x with B of y, for all pairs; what an index's value is made from."""

    n: int  # number of examples
    xy: Float64  # (mx, my), <A, B>, to be multiplied by two to the power of both exponents
    x: Side  # of what is on the rows
    y: Side  # and on the columns
    debiased: bool  # whether operators are U-centred, of Szekely and Rizzo (2014), in place of centred
    own: bool  # whether the products of operators with themselves were asked for

    @property
    def xx(self) -> Float64:
        """(mx, 1): <A, A>. ParameterError if they were not asked for."""
        return self._squares(self.x)[:, None]

    @property
    def yy(self) -> Float64:
        """(1, my): <B, B>, likewise."""
        return self._squares(self.y)[None, :]

    def _squares(self, side: Side) -> Float64:
        if not self.own:
            raise ParameterError("Moments.xx and Moments.yy are not made for this index; it needs own=True")
        return side.square

    @property
    def trace_x(self) -> Float64:
        """(mx, 1): trace of A."""
        return self.x.trace[:, None]

    @property
    def trace_y(self) -> Float64:
        """(1, my): trace of B."""
        return self.y.trace[None, :]

    @property
    def smaller_rank(self) -> Float64:
        """(mx, my)."""
        return np.minimum(self.x.rank[:, None], self.y.rank[None, :])


@dataclass(frozen=True, eq=False)
class Sums:
    """Inner products with the diagonals left out, and each operator's diagonal and row sums, as they are added up."""

    n: int
    tables: dict[tuple[Made, Made], Float64]
    diagonals: dict[Made, Float64]
    row_sums: dict[Made, Float64]  # without the diagonal
    precision: dict[Made, float]
    floors: dict[Made, Float64]  # energy that rounding alone may leave after centring

    @classmethod
    def zero(cls, families: Families, products: Products) -> Sums:
        """Nothing added up yet."""
        n = examples(families)
        return cls(
            n,
            {key: np.zeros((len(families[key[0]]), len(families[key[1]]))) for key in products},
            {key: np.zeros((len(ops), n)) for key, ops in families.items()},
            {key: np.zeros((len(ops), n)) for key, ops in families.items()},
            {key: 1e-13 if itemsize(op.rows for op in ops) == 8 else 1e-9 for key, ops in families.items()},
            {key: np.array([op.floor() for op in ops]) for key, ops in families.items()},
        )

    def before(self, a: Made, b: Made, debiased: bool) -> Float64:
        """<K, L>, as the operators are; without the diagonals for a debiased form."""
        return self.tables[a, b] if debiased else self.tables[a, b] + self.diagonals[a] @ self.diagonals[b].T

    def centred(self, a: Made, b: Made, debiased: bool) -> Float64:
        """<HKH, HLH> = <K, L> - 2/n <K1, L1> + (1'K1)(1'L1) / n².

        Of U-centred ones the same without the diagonals, with n - 2 and (n - 1)(n - 2) in the denominators.
        """
        n = self.n
        once, twice = (n - 2, (n - 1) * (n - 2)) if debiased else (n, n**2)
        sums = [self.row_sums[key] if debiased else self.row_sums[key] + self.diagonals[key] for key in (a, b)]
        totals = np.outer(*(rows.sum(axis=1) for rows in sums))
        products: Float64 = self.before(a, b, debiased) - 2 / once * (sums[0] @ sums[1].T) + totals / twice
        return products

    def side(self, key: Made, ops: Sequence[Operator], names: Sequence[str], debiased: bool) -> Side:
        """Return what is known of each operator of a family: what it knows of itself, else what was added up."""
        n, diagonal, sums = self.n, self.diagonals[key], self.row_sums[key] + self.diagonals[key]
        totals = sums.sum(axis=1, keepdims=True)
        centred = diagonal - 2 / n * sums + totals / n**2
        square, noise = np.full(len(ops), np.nan), np.zeros(len(ops))
        if (key, key) in self.tables:
            square = np.diag(self.centred(key, key, debiased))
            noise = self.precision[key] * np.diag(self.before(key, key, debiased)) + self.floors[key]
        traces = [added if op.trace is None else op.trace for op, added in zip(ops, centred.sum(axis=1), strict=True)]
        squares = [added if op.square is None else op.square for op, added in zip(ops, square, strict=True)]
        facts = np.array([(op.rank, op.exponent, op.rows.features) for op in ops], dtype=np.float64)
        return Side(names, np.array(traces), np.array(squares), np.square(centred).sum(axis=1), noise, *facts.T)

    def arrays(self) -> dict[str, Float64]:
        """Everything that is added up, by name, to be saved or restored in place."""
        named = {f"table {a} {b}": table for (a, b), table in self.tables.items()}
        named |= {f"diagonal {key}": values for key, values in self.diagonals.items()}
        return named | {f"sums {key}": values for key, values in self.row_sums.items()}


def without_rounding(values: Float64, low: float, high: float, rounding: Float64 | float = ROUNDING) -> Float64:
    """Take rounding past the bounds away, and nothing else."""
    values = np.where((values < low) & (values > low - rounding), low, values)
    return np.where((values > high) & (values < high + rounding), high, values)


def of_complements(
    n: int, products: Float64, x: Sequence[Operator], y: Sequence[Operator], traces: Sequence[Float64]
) -> Float64:
    """Turn inner products of what operators hold, B = HBH, into their own: of c H + (1 - 2 c) B, c being 1 or 0."""
    c, d = (np.array([float(op.complement) for op in ops]) for ops in (x, y))
    if not (c.any() or d.any()):
        return products
    s, t = 1 - 2 * c, 1 - 2 * d
    mixed = np.outer(c, t * traces[1]) + np.outer(s * traces[0], d)
    own: Float64 = np.outer(c, d) * (n - 1) + mixed + np.outer(s, t) * products
    return own


def centre_in_place(gram: Float64, *, debiased: bool) -> Float64:
    """Centre a Gram matrix that is held as a whole, or U-centre it, without a copy."""
    n = len(gram)
    if debiased:
        np.fill_diagonal(gram, 0)
    means = gram.sum(axis=0) / (n - 2 if debiased else n)
    means -= means.sum() / (2 * (n - 1 if debiased else n))
    gram -= means
    gram -= means[:, None]
    if debiased:
        np.fill_diagonal(gram, 0)
    return gram
