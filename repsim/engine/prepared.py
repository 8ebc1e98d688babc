"""What indexes need of one representation, made once: its median distance, bases, projectors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from repsim.engine.arrays import Array, Float64
from repsim.engine.bases import Basis, compact, components_kept, factorise, shrinkage, svd_bytes
from repsim.engine.checkpoint import Checkpoint
from repsim.engine.median import median_block, median_squared_distance
from repsim.engine.memory import check_fits
from repsim.engine.operators import Projector
from repsim.engine.projectors import Projection, complement_of, of_basis, project
from repsim.engine.qr import qr_bytes
from repsim.engine.representation import Representation
from repsim.engine.threads import crew

_SHARED_MEDIANS = 1e9  # operations of the medians from which on threads share them
_MEDIAN_BYTES = 2**13  # a feature: what each of several at once may at least take, so that its blocks are not too small
_KEPT = 0.4  # of the memory, for bases


class Prepared:
    """One representation and what has been made of it; large arrays are kept where the checkpoint has room.

    Making something may take `memory` bytes beside what the checkpoint holds, which knows it by its `number`. Where the
    `singular` values are needed, projectors are made from them; where their vectors in `double` precision are, these
    are kept, and rounded for what needs only the precision of the view.
    """

    def __init__(
        self,
        view: Representation,
        memory: int,
        checkpoint: Checkpoint | None = None,
        number: int = 0,
        *,
        singular: bool = False,
        double: bool = False,
    ) -> None:
        self.view, self._memory, self._singular, self._double = view, memory, singular, double
        self._checkpoint = checkpoint or Checkpoint(None, {}, memory)
        self._number = number
        self._made: dict[str, dict[str, Array]] = {}
        self._makes = threading.RLock()  # what makes one thing may need another

    @property
    def _left(self) -> int:
        return self._memory - self._checkpoint.held

    def _kept(self, name: str, keys: Sequence[str], make: Callable[[], dict[str, Array]]) -> dict[str, Array]:
        """Return arrays by name as they were made before, perhaps by an earlier run, or make and keep them.

        Pairs that share a representation may ask for the same at once: a file that one has mapped is not written again.
        """
        with self._makes:
            if name not in self._made:
                self._made[name] = self._checkpoint.once(f"{name} {self._number}", keys, make)
            return self._made[name]

    def find_median(self, how: str, memory: int, go_on: Callable[[], None] = lambda: None) -> float:
        """Return the median squared distance of the scaled rows, found in this way if it is not known."""

        def make() -> dict[str, Array]:
            return {"value": np.array([median_squared_distance(self.view, how, memory=memory, go_on=go_on)])}

        return float(self._kept("median", ["value"], make)["value"][0])

    @property
    def median(self) -> float:
        """The same, exact unless it is known."""
        return self.find_median("exact", self._memory)

    @cached_property
    def basis(self) -> Basis:
        """Singular vectors and values."""
        view = self.view.in_double() if self._double else self.view

        def make() -> dict[str, Array]:
            with crew(1, basis_operations(view)):
                basis = factorise(view, self._left)
            return {"left": basis.left, "singular": basis.singular}

        kept = self._kept("basis", ("left", "singular"), make)
        return Basis(kept["left"], np.array(kept["singular"]), view.exponent)

    def projection(self, made: Projector) -> Projection:
        """Return the projector onto all columns, or onto the leading components."""

        def make() -> dict[str, Array]:
            with crew(1, basis_operations(self.view)):
                if (t := made.threshold) is None and not self._singular:
                    projection = project(self.view, self._left)
                else:
                    count = None if t is None else components_kept(self.basis.singular, t, made.truncation)
                    projection = of_basis(self.basis.left[:, :count], self.view.dtype)
            return {"rows": projection.rows, "facts": np.array([projection.rank, projection.complement])}

        def widen(rows: Array) -> Array:
            size = 3 * rows.dtype.itemsize * len(rows) ** 2
            check_fits(self.view.name, "a basis beside its complement", size, self._left)
            return self._kept(f"widened{components}", ["basis"], lambda: {"basis": complement_of(rows)})["basis"]

        components = "" if made.threshold is None else f" {made.threshold} {made.truncation}"
        kept = self._kept(f"projection{components}", ("rows", "facts"), make)
        rank, complement = kept["facts"].tolist()
        return Projection(kept["rows"], rank, bool(complement), widen)

    def shrunk(self, kappa: float) -> tuple[Array, Float64, float]:
        """Return the basis by the roots of weights, these weights, and the binary logarithm of what divides them."""
        weights, logarithm = shrinkage(self.basis, kappa)

        def make() -> dict[str, Array]:
            left = self.basis.left.astype(self.view.dtype, copy=False)
            return {"rows": np.ascontiguousarray(left * np.sqrt(weights).astype(left.dtype))}

        return self._kept(f"shrunk {kappa!r}", ["rows"], make)["rows"], weights, logarithm

    @property
    def compact(self) -> Array:
        """(n, min(n, p)), with the same X X'."""

        def make() -> dict[str, Array]:
            check_fits(self.view.name, "its reduction", svd_bytes(self.view), self._left)
            with crew(1, basis_operations(self.view)):
                return {"matrix": compact(self.view.in_double().matrix()).astype(self.view.dtype, copy=False)}

        return self._kept("compact", ["matrix"], make)["matrix"]


def basis_operations(view: Representation) -> float:
    """Estimate the operations of a basis, but for a factor."""
    return float(view.n) * view.p * min(view.n, view.p)


def find_medians(representations: Sequence[Prepared], how: str, memory: int, tick: Callable[[float], None]) -> None:
    """Find the median squared distances of all, some of them side by side where that is worth it."""
    views = [x.view for x in representations]
    alone = not all(view.any_thread for view in views) or sum(map(median_operations, views)) < _SHARED_MEDIANS
    most = 1 if alone else min(len(views), memory // (_MEDIAN_BYTES * max(view.p for view in views)))
    product = max(median_block(view, memory // max(1, most)) ** 2 * view.p for view in views)
    with crew(most, product) as threads:
        share = memory // threads.size
        medians = threads.map(lambda x: x.find_median(how, share, threads.go_on), representations)
        for view, _ in zip(views, medians, strict=True):
            tick(median_operations(view))


def median_operations(view: Representation) -> float:
    """Estimate the operations of a median distance."""
    return float(view.n) ** 2 * (view.p + 20)


def memory_for_bases(views: Sequence[Representation], memory: int, *, based: bool, singular: bool) -> int:
    """Return the bytes that kept bases may take: a part of the memory, which leaves the largest factorisation room."""
    if not based:
        return int(_KEPT * memory)
    double = np.dtype(np.float64)
    largest = max(svd_bytes(view) if singular else qr_bytes(view, double, memory) for view in views)
    return max(0, min(int(_KEPT * memory), int(memory - largest)))
