"""From representations to moments: which operators are made, one pass over them, and the moments of every pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from repsim.engine.arrays import Float64
from repsim.engine.checkpoint import Checkpoint
from repsim.engine.features import features_are_cheaper
from repsim.engine.memory import budget
from repsim.engine.operators import Families, Made, Operator, Whole, places_of
from repsim.engine.prepared import Prepared
from repsim.engine.progress import Tick
from repsim.engine.representation import Representation, pair
from repsim.engine.tables import Moments, Side, Sums, centre_in_place, of_complements
from repsim.engine.threads import crew
from repsim.engine.tiles import inner_products, operations

_MOST_CENTRED = 30  # times the energy that is left: beyond that, products of float32 numbers are not to 1e-5
_FEW = 48  # examples, below which rounding does not average out over the entries of a debiased form
_FAR_OUT = 8.0  # times the median squared diagonal entry of a Gram matrix, if the mean is: then some are far out
_LARGEST_GRAM = 4096  # beyond this many examples a Gram matrix is visited tile by tile
_LARGEST_MATRIX = 2**29  # bytes of both representations in float64, beyond which rows are read in blocks


@dataclass(frozen=True)
class Wanted:
    """What an index asks for: operators of x and of y, centred or U-centred, with their own products or not."""

    x: Made
    y: Made
    debiased: bool = False
    own: bool = False

    @property
    def products(self) -> list[tuple[Made, Made]]:
        """The tables that are added up."""
        return [(self.x, self.y), *([(self.x, self.x), (self.y, self.y)] if self.own else [])]


class Plan:
    """All that some indexes ask for of the representations on the rows and columns of a table, in one pass."""

    def __init__(self, wanted: Sequence[Wanted], rows: Sequence[int], columns: Sequence[int]) -> None:
        self._wanted, self._rows, self._columns = wanted, list(rows), list(columns)
        self._places: dict[Made, list[int]] = places_of(wanted, rows, columns)
        self._products = list(dict.fromkeys(product for request in wanted for product in request.products))

    def operations(self, views: Sequence[Representation], memory: int) -> float:
        """Estimate the operations, as if every operator were as wide as its representation."""
        families = {made: [Operator(views[i]) for i in numbers] for made, numbers in self._places.items()}
        return operations(families, self._products, memory) if families else 0.0

    def _families(self, representations: Sequence[Prepared]) -> Families:
        return _of_one_library(
            {made: [made.operator(representations[i]) for i in places] for made, places in self._places.items()}
        )

    def by_features(self, representations: Sequence[Prepared], memory: int) -> bool:
        """Whether cross-products of features are less work than Gram matrices."""
        if any(made.needs_median for made in self._places):
            return False  # no kernel's are, so its median need not be found for that
        return features_are_cheaper(self._families(representations), self._products, memory)

    def moments(
        self,
        representations: Sequence[Prepared],
        *,
        memory: int,
        block: int | None = None,
        tick: Tick = lambda _: None,
        checkpoint: Checkpoint | None = None,
    ) -> list[Moments]:
        """Return the moments of all pairs for each of `wanted`."""
        if not self._wanted:
            return []
        families = self._families(representations)
        left = memory - (checkpoint.held if checkpoint else 0)
        sums = inner_products(families, self._products, memory=left, block=block, tick=tick, checkpoint=checkpoint)
        self._again(families, sums, left, block)
        names = [x.view.name for x in representations]
        return [self._moments(request, families, sums, names) for request in self._wanted]

    def _moments(self, request: Wanted, families: Families, sums: Sums, names: Sequence[str]) -> Moments:
        known = {
            made: sums.side(made, families[made], [names[i] for i in self._places[made]], request.debiased)
            for made in {request.x, request.y}
        }
        x, y = known[request.x], known[request.y]
        table = sums.centred(request.x, request.y, request.debiased)
        table = of_complements(sums.n, table, families[request.x], families[request.y], [x.trace, y.trace])
        rows = [self._places[request.x].index(i) for i in self._rows]
        columns = [self._places[request.y].index(i) for i in self._columns]
        table = table[rows][:, columns]
        return Moments(sums.n, table, x.take(rows), y.take(columns), request.debiased, request.own)

    def _again(self, families: Families, sums: Sums, memory: int, block: int | None) -> None:
        """Compute anew, from better rows, what has lost its digits.

        Of kernels of which centring leaves little, float32 has rounded that away. What a debiased form asks for is
        small beside an outlying example, which is in the mean that all are about, and in the diagonals.
        """
        weak = {
            request.x
            for request in self._wanted
            if request.x == request.y and _rounded_away(request, families[request.x], sums)
        }
        better = {op.rows: op.rows.in_double() for made in weak for op in families[made]}
        far = self._far_from_mean(families, sums, memory)
        better |= {rows: rows.about_most for rows in far}
        moved = {made for made, ops in families.items() if any(op.rows in far for op in ops)}
        products = [(a, b) for a, b in self._products if {a, b} & moved or (a == b and a in weak)]
        if not products:
            return
        anew = _of_one_library(
            {
                made: [replace(op, rows=better.get(op.rows, op.rows)) for op in families[made]]
                for made in dict.fromkeys(made for product in products for made in product)
            }
        )
        recomputed = inner_products(anew, products, memory=memory, block=block)
        for field in ("tables", "diagonals", "row_sums", "precision", "floors"):
            getattr(sums, field).update(getattr(recomputed, field))

    def _far_from_mean(self, families: Families, sums: Sums, memory: int) -> set[Representation]:
        """Return the rows of debiased forms most of which are far from the mean of all, because some are far out."""
        if sums.n > _LARGEST_GRAM and features_are_cheaper(families, self._products, memory):
            return set()  # tiles would take far longer
        debiased = {made for request in self._wanted if request.debiased for made in (request.x, request.y)}
        return {
            op.rows
            for made in debiased
            for op, diagonal in zip(families[made], np.square(sums.diagonals[made]), strict=True)
            if isinstance(op.rows, Representation) and _some_far_out(diagonal) and op.rows.far_from_mean
        }


def _some_far_out(squares: Float64) -> bool:
    """Whether few of the squared entries of a diagonal make most of their sum."""
    return bool(squares.mean() > _FAR_OUT * np.median(squares))


def _of_one_library(families: Families) -> Families:
    """Return operators whose rows are all of one library, as tiles that are multiplied have to be."""
    if len({op.rows.xp for ops in families.values() for op in ops}) == 1:
        return families
    return {made: [replace(op, rows=op.rows.on_host()) for op in ops] for made, ops in families.items()}


def _rounded_away(request: Wanted, ops: Sequence[Operator], sums: Sums) -> bool:
    single = np.array([op.rows.dtype.itemsize == 4 and isinstance(op.rows, Representation) for op in ops])
    if not single.any():
        return False
    before, left = (np.diag(of(request.x, request.x, request.debiased)) for of in (sums.before, sums.centred))
    few = request.debiased and sums.n < _FEW
    return bool((single & (few | (left * _MOST_CENTRED < before))).any())


def pair_moments(
    x: Any,
    y: Any,
    made_x: Made,
    made_y: Made,
    *,
    debiased: bool = False,
    own: bool = False,
    minimum: int = 2,
) -> Moments:
    """Check two representations, read them in float64, and return the moments of the pair.

    Gram matrices are multiplied as a whole, which loses least to centring, if they are small and cross-products of
    features are not less work.
    """
    a, b = pair(x, y, minimum=4 if debiased else minimum)
    size = 8 * a.n * (a.p + b.p)
    memory = budget(None, size)
    whole = a.n <= _LARGEST_GRAM and size <= _LARGEST_MATRIX
    with crew(1, a.n * (a.p + b.p) * min(a.n, max(a.p, b.p))):
        representations = [Prepared(view, memory) for view in (a, b)]
        wanted = Wanted(made_x, made_y, debiased, own)
        plan = Plan([wanted], [0], [1])
        if whole and not plan.by_features(representations, memory):
            return _by_grams(wanted, representations, memory)
        (moments,) = plan.moments(representations, memory=memory)
        return moments


def _by_grams(wanted: Wanted, representations: Sequence[Prepared], memory: int) -> Moments:
    """Multiply Gram matrices, for a debiased form of rows about most examples where some are far out."""
    grams = []
    for made, x in zip((wanted.x, wanted.y), representations, strict=True):
        gram = made.whole(x)
        if wanted.debiased and _some_far_out(np.square(np.diag(gram.matrix))) and x.view.far_from_mean:
            gram = made.whole(Prepared(x.view.about_most, memory))
        grams.append(gram)
    return gram_moments(grams, [x.view.name for x in representations], wanted.debiased, wanted.own)


def gram_moments(grams: Sequence[Whole], names: Sequence[str], debiased: bool, own: bool = True) -> Moments:
    """Return the moments of two operators that are held as matrices, which are overwritten."""
    sides: list[Side] = []
    for gram, name in zip(grams, names, strict=True):
        matrix = gram.matrix
        if debiased:
            np.fill_diagonal(matrix, 0)
        noise = 1e-24 * (float(np.vdot(matrix, matrix)) + gram.floor)
        centre_in_place(matrix, debiased=debiased)
        diagonal = np.diag(matrix)
        sums = (diagonal.sum(), np.vdot(matrix, matrix), diagonal @ diagonal, noise)
        facts = (*sums, gram.rank, gram.exponent, gram.width)
        sides.append(Side([name], *(np.array([float(value)]) for value in facts)))
    (k, l), n = (gram.matrix for gram in grams), len(grams[0].matrix)  # noqa: E741
    return Moments(n, np.array([[float(np.vdot(k, l))]]), sides[0], sides[1], debiased, own)
