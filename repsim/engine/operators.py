"""What is made of a representation: a symmetric (n, n) operator, given by the rows of some matrix.

A class says what is made; its instances are compared by value, so that several indexes share an operator.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from repsim.engine.arrays import NUMPY, Float64, host
from repsim.engine.bases import check_truncation
from repsim.engine.distances import shift_rounding, shifted_rbf
from repsim.engine.median import distances_and_rounding, kernel_rows, median_of
from repsim.engine.representation import BasisRows, Rows
from repsim.errors import ParameterError, RepresentationError
from repsim.options import real_number

if TYPE_CHECKING:
    from repsim.engine.prepared import Prepared

_NARROW = 0.1  # bandwidth below which the rounding of float32 distances, by 1 / (2 bandwidth²), is seen in the kernel


@dataclass(frozen=True, eq=False)
class Operator:
    """2**exponent B, where B is the Gram matrix, linear or RBF, of some rows; or H - B, where H centres."""

    rows: Rows
    bandwidth: float | None = None  # of an RBF kernel, less its value at the median, which centring would take out
    median: float = 1.0  # squared distance
    exponent: float = 0.0  # what scaling the rows took out
    complement: bool = False  # whether it is H - B, as a projector that is held as its complement
    rank: int = 0  # of a projector
    trace: float | None = None  # of HBH, where it is known beforehand
    square: float | None = None  # inner product of HBH with itself, where it is known beforehand

    def diagonal(self, norms: Float64) -> Float64:
        """Diagonal entries of B, given the squared norms of the rows."""
        return norms if self.bandwidth is None else np.full(norms.shape, -math.expm1(-1 / (2 * self.bandwidth**2)))

    def floor(self) -> float:
        """Energy that rounding may leave of a kernel whose entries are all alike."""
        if self.bandwidth is None:
            return 0.0
        relative = 1e-12 if self.rows.dtype.itemsize == 8 else 1e-5
        return (relative * self.rows.n * shift_rounding(self.bandwidth)) ** 2


class Whole(NamedTuple):
    """An operator that is held as a matrix, (n, n), which may be overwritten."""

    matrix: Float64
    exponent: float = 0.0  # power of two that scaling took out
    floor: float = 0.0  # energy that a shift has taken out
    rank: int = 0  # of a projector
    width: int = 0  # number of features of what it is made from


class Made:
    """What an index makes of a representation, an operator or what is compared pair by pair, and what that needs."""

    needs_median = False
    needs_basis = False
    needs_double_basis = False

    @property
    def needs_singular_values(self) -> bool:
        """Whether its basis has to be that of the singular vectors."""
        return False

    def operator(self, x: Prepared) -> Operator:
        """Return what is visited in tiles, for indexes that are functions of inner products."""
        raise NotImplementedError

    def state(self, x: Prepared) -> Any:
        """Return what is made once of each representation, for indexes that compare pairs of it."""
        return self.operator(x)

    def focus(self, state: Any, x: Prepared) -> Any:
        """Return what is compared with all others, while that is done."""
        return state

    def rank(self, state: Any) -> int:
        """Return the rank on which an index depends that Theorem 1 is about; 0 for others."""
        return int(getattr(state, "rank", 0))

    def whole(self, x: Prepared) -> Whole:
        """Return the whole operator."""
        op = self.operator(x)
        rows = op.rows.block(0, op.rows.n)
        gram = rows @ rows.T
        if op.complement:
            np.negative(gram, out=gram)
            gram[np.diag_indices(len(gram))] += 1
        return Whole(gram, op.exponent, rank=op.rank, width=x.view.p)


@dataclass(frozen=True)
class LinearGram(Made):
    """X X', of centred columns."""

    def operator(self, x: Prepared) -> Operator:
        """Take the rows as they are."""
        return Operator(x.view, exponent=2 * x.view.exponent)


@dataclass(frozen=True)
class RBFGram(Made):
    """exp(-d² / 2 sigma²), sigma being a fraction of the median distance d."""

    fraction: float
    needs_median = True

    def __post_init__(self) -> None:
        if not 0 < real_number("fraction", self.fraction, what := "a finite number above 0 is needed") < math.inf:
            raise ParameterError(f"fraction is {self.fraction!r}; {what}")

    def operator(self, x: Prepared) -> Operator:
        """Take the rows in the precision that distances need."""
        rows = kernel_rows(x.view, x.median)
        return Operator(rows.in_double() if self.fraction < _NARROW else rows, self.fraction, x.median)

    def whole(self, x: Prepared) -> Whole:
        """Make it and the median from the same distances."""
        distances, rounding = distances_and_rounding(x.view)
        gram = shifted_rbf(NUMPY, distances, median_of(distances, x.view.name, rounding), self.fraction)
        return Whole(gram, floor=(len(gram) * shift_rounding(self.fraction)) ** 2, width=x.view.p)


@dataclass(frozen=True)
class Projector(Made):
    """Q Q', onto the columns of X; or, with a threshold, onto its leading principal components."""

    threshold: float | None = None
    truncation: str = "variance"
    needs_basis = True

    def __post_init__(self) -> None:
        if self.threshold is not None:
            check_truncation(self.threshold, self.truncation)

    @property
    def needs_singular_values(self) -> bool:
        """Where components are left out."""
        return self.threshold is not None

    def operator(self, x: Prepared) -> Operator:
        """Take the narrower of the basis and its complement."""
        held = x.projection(self)
        width = float(held.rows.shape[1])
        return Operator(
            BasisRows(held.rows, x.view), complement=held.complement, rank=held.rank, trace=width, square=width
        )

    def state(self, x: Prepared) -> Any:
        """Return the projection itself."""
        return x.projection(self)


@dataclass(frozen=True)
class ShrunkProjector(Made):
    """Q~ Q~', whose eigenvalues are lambda / (lambda + kappa) in place of Q Q''s ones."""

    kappa: float
    needs_basis = True
    needs_singular_values = True

    def __post_init__(self) -> None:
        real_number("kappa", self.kappa, "a number of at least 0, or infinity, is needed", 0)

    def operator(self, x: Prepared) -> Operator:
        """Take the singular vectors, each by the root of its weight."""
        rows, weights, logarithm = x.shrunk(self.kappa)
        return Operator(
            BasisRows(rows, x.view),
            exponent=logarithm,
            rank=0 if self.kappa else x.basis.rank,
            trace=float(weights.sum()),
            square=float(weights @ weights),
        )


@dataclass(frozen=True)
class SingularVectors(Made):
    """The singular vectors and values of X, in float64; of the one in focus, what its columns are in them, too."""

    needs_basis = True
    needs_singular_values = True
    needs_double_basis = True

    def state(self, x: Prepared) -> Any:
        """Return the basis."""
        return x.basis

    def focus(self, state: Any, x: Prepared) -> Any:
        """Return the basis and Q' X, (rank, p)."""
        return state, state.left.T @ x.view.in_double().matrix()


@dataclass(frozen=True)
class Compact(Made):
    """A matrix with the same X X', of as few columns as that allows."""

    needs_basis = True

    def state(self, x: Prepared) -> Any:
        """Return it, (n, min(n, p))."""
        return x.compact


@dataclass(frozen=True, repr=False)
class Custom(Made):
    """What somebody's own function makes of the array, (n, p) in float64."""

    prepare: Callable[[Any], Any]

    def __repr__(self) -> str:
        return f"Custom({described(self.prepare)})"

    def state(self, x: Prepared) -> Any:
        """Call it; what it refuses is said of the representation."""
        try:
            return self.prepare(host(x.view.raw(0, x.view.n)).astype(np.float64))
        except RepresentationError as error:
            raise type(error)(f"{x.view.name}: {error}") from None

    def rank(self, state: Any) -> int:
        """Return 0, whatever somebody else calls a rank."""
        return 0


def described(function: Any) -> str:
    """Name a function, and what was filled in of its arguments, in the same words in every process."""
    if isinstance(function, partial):
        filled = [
            *map(_told, function.args),
            *(f"{name}={_told(value)}" for name, value in sorted(function.keywords.items())),
        ]
        return f"{described(function.func)} with {', '.join(filled)}"
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _told(argument: Any) -> str:
    """Write an argument in the same words in every process, a whole array by its bytes."""
    if isinstance(argument, np.ndarray):
        return f"{argument.dtype} {argument.shape} {hashlib.sha256(argument.tobytes()).hexdigest()}"
    return described(argument) if callable(argument) else repr(argument)


def places_of(asked: Iterable[Any], rows: Sequence[int], columns: Sequence[int]) -> dict[Any, list[int]]:
    """Return what indexes want made, `x` on the rows of a table and `y` on its columns, and of which views."""
    places: dict[Any, set[int]] = {}
    for request in asked:
        places.setdefault(request.x, set()).update(rows)
        places.setdefault(request.y, set()).update(columns)
    return {made: sorted(numbers) for made, numbers in places.items()}


Families = Mapping[Made, Sequence[Operator]]
Products = Sequence[tuple[Made, Made]]


def distinct_rows(families: Families) -> list[Rows]:
    """Return what the operators are made from, once each."""
    return list(dict.fromkeys(op.rows for ops in families.values() for op in ops))


def examples(families: Families) -> int:
    """Return their number, which all operators have in common."""
    return next(iter(families.values()))[0].rows.n


def itemsize(rows: Iterable[Rows]) -> int:
    """Return the bytes of a number of the most precise rows."""
    return max(source.dtype.itemsize for source in rows)
