"""From representations to moments: which operators are made, one pass over them, and the moments of every pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from repsim.engine.arrays import Float64
from repsim.engine.centring import centre_in_place, u_centre_in_place
from repsim.engine.checkpoint import Checkpoint
from repsim.engine.features import features_are_cheaper
from repsim.engine.memory import budget
from repsim.engine.operators import Families, MadeOperator, Operator
from repsim.engine.passes import inner_products, operations
from repsim.engine.prepared import Prepared
from repsim.engine.progress import Tick
from repsim.engine.representation import Representation, pair
from repsim.engine.tables import Moments, Side, Sums, held
from repsim.engine.threads import crew

_MOST_CENTRED = 100  # times the energy that is left: beyond that, products of float32 numbers are not to 1e-6
_FEW = 48  # examples, below which rounding does not average out over the entries of a debiased form
_MOST_LEFT_OUT = 1e3  # times what is left: a diagonal that is subtracted from the whole costs that many digits
_LARGEST_GRAM = 4096  # beyond this many examples a Gram matrix is visited tile by tile
_LARGEST_MATRIX = 2**29  # bytes of both representations in float64, beyond which rows are read in blocks


@dataclass(frozen=True)
class Wanted:
    """What an index asks for: operators of x and of y, centred or U-centred, with their own products or not."""

    x: MadeOperator
    y: MadeOperator
    debiased: bool = False
    own: bool = False

    @property
    def products(self) -> list[tuple[MadeOperator, MadeOperator]]:
        """The tables that are added up."""
        return [(self.x, self.y), *([(self.x, self.x), (self.y, self.y)] if self.own else [])]


class Plan:
    """All that some indexes ask for of the representations on the rows and columns of a table, in one pass."""

    def __init__(self, wanted: Sequence[Wanted], rows: Sequence[int], columns: Sequence[int]) -> None:
        self._wanted, self._rows, self._columns = wanted, list(rows), list(columns)
        places: dict[MadeOperator, set[int]] = {}
        for one in wanted:
            places.setdefault(one.x, set()).update(rows)
            places.setdefault(one.y, set()).update(columns)
        self.places = {made: sorted(numbers) for made, numbers in places.items()}
        self._products = list(dict.fromkeys(product for one in wanted for product in one.products))

    def operations(self, views: Sequence[Representation], memory: int) -> float:
        """Estimate the operations, as if every operator were as wide as its representation."""
        families = {made: [Operator(views[i]) for i in numbers] for made, numbers in self.places.items()}
        return operations(families, self._products, memory) if families else 0.0

    def _families(self, representations: Sequence[Prepared]) -> Families:
        families = {made: [made.operator(representations[i]) for i in places] for made, places in self.places.items()}
        if len({op.rows.xp for ops in families.values() for op in ops}) > 1:  # tiles of one library are multiplied
            families = {made: [replace(op, rows=op.rows.on_host()) for op in ops] for made, ops in families.items()}
        return families

    def by_features(self, representations: Sequence[Prepared], memory: int) -> bool:
        """Whether cross-products of features are less work than Gram matrices."""
        able = all(made.by_features for made in self.places)
        return able and features_are_cheaper(self._families(representations), self._products, memory)

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
        self._again_in_double(families, sums, left, block)
        names = [x.view.name for x in representations]
        return [self._moments(one, families, sums, names) for one in self._wanted]

    def _moments(self, one: Wanted, families: Families, sums: Sums, names: Sequence[str]) -> Moments:
        known = {
            made: sums.side(made, families[made], [names[i] for i in self.places[made]], one.debiased)
            for made in {one.x, one.y}
        }
        x, y = known[one.x], known[one.y]
        table = sums.centred(one.x, one.y, one.debiased)
        table = held(sums.n, table, families[one.x], families[one.y], [x.trace, y.trace])
        rows = [self.places[one.x].index(i) for i in self._rows]
        columns = [self.places[one.y].index(i) for i in self._columns]
        return Moments(sums.n, table[rows][:, columns], x.take(rows), y.take(columns), one.debiased)

    def _again_in_double(self, families: Families, sums: Sums, memory: int, block: int | None) -> None:
        """Compute the kernels anew of which centring leaves so little that float32 has rounded it away."""
        weak = {one.x for one in self._wanted if one.x == one.y and _rounded_away(one, families[one.x], sums)}
        if not weak:
            return
        doubled = {op.rows: op.rows.in_double() for made in weak for op in families[made]}
        anew = {made: [replace(op, rows=doubled[op.rows]) for op in families[made]] for made in weak}
        better = inner_products(anew, [(made, made) for made in weak], memory=memory, block=block)
        for part in ("tables", "diagonals", "row_sums", "precision", "floors"):
            getattr(sums, part).update(getattr(better, part))


def _rounded_away(one: Wanted, ops: Sequence[Operator], sums: Sums) -> bool:
    single = np.array([op.rows.dtype.itemsize == 4 and isinstance(op.rows, Representation) for op in ops])
    if not single.any():
        return False
    before, left = (np.diag(of(one.x, one.x, one.debiased)) for of in (sums.before, sums.centred))
    few = one.debiased and sums.n < _FEW
    return bool((single & (few | (left * _MOST_CENTRED < before))).any())


def pair_moments(
    x: Any,
    y: Any,
    made_x: MadeOperator,
    made_y: MadeOperator,
    *,
    debiased: bool = False,
    own: bool = False,
    minimum: int = 2,
) -> Moments:
    """Check two representations, read them in float64, and return the moments of the pair.

    Gram matrices are multiplied as a whole, which loses least to centring, if they are small and cross-products of
    features are not less work. A debiased form is small beside the diagonals that such products have in them, so one
    that is too small is made anew.
    """
    a, b = pair(x, y, minimum=4 if debiased else minimum)
    size = 8 * a.n * (a.p + b.p)
    memory = budget(None, size)
    with crew(1, a.n * (a.p + b.p) * min(a.n, max(a.p, b.p))):
        representations = [Prepared(view, memory) for view in (a, b)]
        wanted = Wanted(made_x, made_y, debiased, own)
        plan, whole = Plan([wanted], [0], [1]), a.n <= _LARGEST_GRAM and size <= _LARGEST_MATRIX
        if whole and not plan.by_features(representations, memory):
            return _by_grams(wanted, representations)
        (moments,) = plan.moments(representations, memory=memory)
        left_out = any(
            float(side.square[0]) * _MOST_LEFT_OUT < side.diagonal_square[0] for side in (moments.x, moments.y)
        )
        return _by_grams(wanted, representations) if whole and debiased and left_out else moments


def _by_grams(wanted: Wanted, representations: Sequence[Prepared]) -> Moments:
    """Multiply Gram matrices."""
    grams, floors, exponents = zip(
        *(made.gram(x) for made, x in zip((wanted.x, wanted.y), representations, strict=True)), strict=True
    )
    names, widths = zip(*((x.view.name, x.view.p) for x in representations), strict=True)
    return gram_moments(grams, names, exponents, wanted.debiased, floors, widths)


def gram_moments(
    grams: Sequence[Float64],
    names: Sequence[str],
    exponents: Sequence[float],
    debiased: bool,
    floors: Sequence[float] = (0.0, 0.0),
    widths: Sequence[int] = (0, 0),
) -> Moments:
    """Return the moments of two Gram matrices, which are overwritten; `floors` are what they had before a shift."""
    sides = []
    for gram, name, exponent, floor, width in zip(grams, names, exponents, floors, widths, strict=True):
        if debiased:
            np.fill_diagonal(gram, 0)
        noise = 1e-24 * (float(np.vdot(gram, gram)) + floor)
        u_centre_in_place(gram) if debiased else centre_in_place(gram)
        diagonal = np.diag(gram)
        facts = (diagonal.sum(), np.vdot(gram, gram), diagonal @ diagonal, noise, 0.0, exponent, width)
        sides.append(Side([name], *(np.array([float(value)]) for value in facts)))
    return Moments(len(grams[0]), np.array([[float(np.vdot(*grams))]]), sides[0], sides[1], debiased)
