"""Everything that some indexes ask of some representations: what is made of each, one pass, then pair by pair."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from repsim.engine.arrays import Float64
from repsim.engine.checkpoint import Checkpoint
from repsim.engine.moments import Plan, Wanted
from repsim.engine.operators import Made, places_of
from repsim.engine.pairs import Compared, Pairs, Ranks
from repsim.engine.prepared import Prepared, basis_operations, find_medians, median_operations, memory_for_bases
from repsim.engine.progress import Tick
from repsim.engine.representation import Representation
from repsim.engine.tables import Moments


class Run:
    """One computation, which an interrupted one can go on with.

    `rows` and `columns` say which views are on the rows of the tables and which on the columns, `asked` what each index
    needs of them, and `call` what the computation is, so that a folder of another one is refused.
    """

    def __init__(
        self,
        views: Sequence[Representation],
        rows: Sequence[int],
        columns: Sequence[int],
        asked: Sequence[Wanted | Compared],
        *,
        memory: int,
        median: str,
        block: int | None,
        resume: str | os.PathLike[str] | None,
        call: Mapping[str, Any],
    ) -> None:
        self._asked, self._memory, self._median, self._block = asked, memory, median, block
        wanted = [request for request in asked if isinstance(request, Wanted)]
        compared = [request for request in asked if isinstance(request, Compared)]
        self._plan, self._pairs = Plan(wanted, rows, columns), Pairs(compared, rows, columns)
        self._places = places_of([*wanted, *compared], rows, columns)
        self._singular = any(made.needs_singular_values for made in self._places)
        based = any(made.needs_basis for made in self._places)
        kept = memory_for_bases(views, memory, based=based, singular=self._singular)
        self.checkpoint = Checkpoint(resume, call, kept)
        double = any(made.needs_double_basis for made in self._places)
        self.representations = [
            Prepared(view, memory, self.checkpoint, number, singular=self._singular, double=double)
            for number, view in enumerate(views)
        ]

    def operations(self) -> float:
        """Estimate the operations of everything."""
        views = [x.view for x in self.representations]
        own = sum(self._making(made, views[i]) for made, places in self._places.items() for i in places)
        return own + self._plan.operations(views, self._memory) + self._pairs.operations(views)

    def _making(self, made: Any, view: Representation) -> float:
        if made.needs_median:
            return median_operations(view)
        return (20 if self._singular else 3) * basis_operations(view) if made.needs_basis else 0.0

    def results(self, tick: Tick) -> list[Moments | tuple[Float64, Ranks]]:
        """Return the moments, or the values and the ranks of what was compared, for each of `asked`."""
        self._make(tick)
        options: dict[str, Any] = {"memory": self._memory, "tick": tick, "checkpoint": self.checkpoint}
        moments = iter(self._plan.moments(self.representations, block=self._block, **options))
        compared = iter(self._pairs.tables(self.representations, **options))
        return [next(moments) if isinstance(request, Wanted) else next(compared) for request in self._asked]

    def __enter__(self) -> Run:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.checkpoint.close(finished=error is None)

    @property
    def medians(self) -> dict[int, float]:
        """The median distances that were found, in the representations' units."""
        known = {i: x for i, x in enumerate(self.representations) if "median" in x.__dict__}
        return {i: float(np.ldexp(np.sqrt(x.median), x.view.exponent)) for i, x in known.items()}

    def _make(self, tick: Tick) -> None:
        """Make what is needed of each representation, before the pass and apart from it."""
        medians = sorted({i for made, places in self._places.items() if made.needs_median for i in places})
        if medians:
            find_medians([self.representations[i] for i in medians], self._median, self._memory, tick)
        for made, places in self._places.items():
            for i in places if made.needs_basis else ():
                (made.state if isinstance(made, Made) else made.operator)(self.representations[i])
                tick(self._making(made, self.representations[i].view))
