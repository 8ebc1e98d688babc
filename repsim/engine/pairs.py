"""Values of pairs that are no inner products: what was made of each representation is compared with every other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from repsim.engine.arrays import Float64
from repsim.engine.checkpoint import Checkpoint
from repsim.engine.memory import budget
from repsim.engine.operators import Custom, Made
from repsim.engine.prepared import Prepared
from repsim.engine.progress import Tick
from repsim.engine.representation import Representation, pair
from repsim.engine.tables import Ranks
from repsim.engine.threads import Crew, Outcome, crew
from repsim.errors import ParameterError, UndefinedSimilarityError
from repsim.options import as_number

Ranked = tuple[int, Ranks, Ranks]  # number of examples, and the ranks on either side
_CHECKED = 3  # or so: pairs that a resumed run compares again if somebody's own function compares them
_SAME = 1e-5  # of the largest: another number of threads gives other last digits, of float32 the sixth
_NOTHING = 1e-8  # what rounding may make of 0
_BYTES = 6 * 8  # an entry of a square matrix, that comparing two bases of as many vectors takes


@dataclass(frozen=True)
class Compared:
    """What an index makes of x and of y, and its function of the two; `symmetric` if their order does not matter.

    A `custom` function is somebody's own, and may be another when a run is resumed.
    """

    name: str
    x: Made
    y: Made
    compare: Callable[[Any, Any], float]
    symmetric: bool
    custom: bool = True

    def value(self, a: Any, b: Any, names: Sequence[str]) -> float:
        """Compare what was made of two representations, and check that a number comes of it."""
        returned: Any = self.compare(a, b)
        try:
            value = as_number(returned)
        except (TypeError, ValueError, OverflowError):
            raise ParameterError(
                f"index {self.name!r} of {' and '.join(names)} is {returned!r:.100}; it must be a number"
            ) from None
        if math.isnan(value):
            raise UndefinedSimilarityError(f"index {self.name!r} of {' and '.join(names)} is not a number")
        return value


class Pairs:
    """All pairs of representations on the rows and columns of a table, compared in several ways."""

    def __init__(self, compared: Sequence[Compared], rows: Sequence[int], columns: Sequence[int]) -> None:
        self._compared, self._rows, self._columns = compared, list(rows), list(columns)
        wanted = {(i, j) for i in rows for j in columns}
        unordered = {(min(pair), max(pair)) for pair in wanted}  # of a symmetric one either order is enough
        self._wanted = [unordered if index.symmetric else wanted for index in compared]
        self._tasks = sorted(set[tuple[int, int]]().union(*self._wanted))

    def operations(self, views: Sequence[Representation]) -> float:
        """Estimate the operations of all comparisons."""
        return sum(self._operations(views[i], views[j]) for i, j in self._tasks)

    @staticmethod
    def _operations(x: Representation, y: Representation) -> float:
        return 20.0 * min(x.n, x.p, y.p) ** 3

    def tables(
        self, representations: Sequence[Prepared], *, memory: int, tick: Tick, checkpoint: Checkpoint
    ) -> list[tuple[Float64, Ranked]]:
        """Return a table, (rows, columns), and the ranks of what is on either side, for each way to compare."""
        if not self._compared:
            return []
        count = len(representations)
        tables = {str(k): np.full((count, count), np.nan) for k in range(len(self._compared))}
        saved = checkpoint.restore("pairs", tables)
        done = saved[0] if saved else 0
        views = [x.view for x in representations]
        states = self._check_resumed(representations, tables, done)
        for i, j in self._tasks[:done]:
            tick(self._operations(views[i], views[j]))
        left = self._tasks[done:]
        self._add_states(states, representations, left)
        names = [view.name for view in views]
        with self._threads(views, memory - checkpoint.held) as threads:
            for i, row in groupby(left, key=lambda task: task[0]):
                focused = {index.x: index.x.focus(states[index.x, i], representations[i]) for index in self._compared}
                tasks = list(row)
                values = threads.map(lambda task: self._values(focused, states, names, *task), tasks)  # noqa: B023
                for (_, j), pair_values in zip(tasks, values, strict=True):
                    if i == left[0][0] != j and len(self._tasks) > 1:
                        self._check_symmetric(pair_values, states, representations, i, j)
                    for k, value in pair_values.items():
                        tables[str(k)][i, j] = value
                        if self._compared[k].symmetric:
                            tables[str(k)][j, i] = value
                    done += 1
                    checkpoint.save("pairs", tables, done)
                    tick(self._operations(views[i], views[j]))
        places = np.ix_(self._rows, self._columns)
        return [
            (np.ascontiguousarray(table[places]), self._ranks(index, representations))
            for table, index in zip(tables.values(), self._compared, strict=True)
        ]

    def _check_resumed(
        self, representations: Sequence[Prepared], tables: Mapping[str, Float64], done: int
    ) -> dict[Any, Any]:
        """Compute some pairs again that an interrupted run has finished: somebody's own functions may have changed.

        Return what was made for that.
        """
        states: dict[Any, Any] = {}
        for k, index in enumerate(self._compared):
            finished = [pair for pair in self._tasks[:done] if pair in self._wanted[k]]
            for i, j in finished[:: max(1, len(finished) // _CHECKED)] if index.custom else ():
                names = [representations[i].view.name, representations[j].view.name]
                for made, place in ((index.x, i), (index.y, j)):
                    if (made, place) not in states:
                        states[made, place] = made.state(representations[place])
                state = index.x.focus(states[index.x, i], representations[i])
                value = index.value(state, states[index.y, j], names)
                rounding = _SAME * float(np.nanmax(np.abs(tables[str(k)])))
                if not math.isclose(value, before := tables[str(k)][i, j], rel_tol=_SAME, abs_tol=rounding):
                    raise ParameterError(
                        f"resume: index {index.name!r} of {' and '.join(names)} is {value} and was {before} in the "
                        "interrupted run; give another folder, or remove it"
                    )
        return states

    def _check_symmetric(
        self,
        values: Mapping[int, float],
        states: Mapping[Any, Any],
        representations: Sequence[Prepared],
        i: int,
        j: int,
    ) -> None:
        """Compare a pair the other way round, too, if somebody's own function is said to be symmetric."""
        names = [representations[j].view.name, representations[i].view.name]
        for k, index in enumerate(self._compared):
            if index.custom and k in values and index.symmetric:
                state = index.x.focus(states[index.x, j], representations[j])
                back = index.value(state, states[index.y, i], names)
                if not math.isclose(back, values[k], rel_tol=_SAME, abs_tol=_NOTHING):
                    raise ParameterError(
                        f"index {index.name!r} of {' and '.join(names)} is {back} and the other way round {values[k]}; "
                        "it needs symmetric=False"
                    )

    def _ranks(self, index: Compared, representations: Sequence[Prepared]) -> Ranked:
        sides: list[Ranks] = []
        for made, places in ((index.x, self._rows), (index.y, self._columns)):
            prepared = [] if isinstance(made, Custom) else [representations[i] for i in places]
            sides.append(_ranks((x.view, made.rank(made.state(x))) for x in prepared))
        return representations[0].view.n, sides[0], sides[1]

    def _threads(self, views: Sequence[Representation], memory: int) -> AbstractContextManager[Crew]:
        """Return as many threads as pairs fit into the memory; somebody's own code is called in the caller's."""
        widest = max(min(view.n, view.p) for view in views)
        alone = any(isinstance(index.x, Custom) for index in self._compared)
        return crew(1 if alone else min(len(self._tasks), memory // (_BYTES * widest**2)), widest**3)

    def _add_states(
        self, states: dict[Any, Any], representations: Sequence[Prepared], tasks: Sequence[tuple[int, int]]
    ) -> None:
        """Add what is made of each representation that a task needs, once."""
        needed = {
            (made, i): None for pair in tasks for index in self._compared for made in (index.x, index.y) for i in pair
        }
        for made, i in sorted(needed, key=lambda key: key[1]):
            if (made, i) not in states:
                states[made, i] = made.state(representations[i])

    def _values(
        self, focused: dict[Made, Any], states: dict[Any, Any], names: Sequence[str], i: int, j: int
    ) -> dict[int, float]:
        return {
            k: index.value(focused[index.x], states[index.y, j], (names[i], names[j]))
            for k, index in enumerate(self._compared)
            if (i, j) in self._wanted[k]
        }


def compare_pair(
    x: Any, y: Any, made_x: Made, made_y: Made, compare: Callable[[Any, Any], Outcome]
) -> tuple[Outcome, Ranked]:
    """Check two representations, read them in float64, and compare what is made of each; tell the ranks of both."""
    a, b = pair(x, y)
    memory = budget(None, 8 * a.n * (a.p + b.p))
    first, second = Prepared(a, memory), Prepared(b, memory)
    states = made_x.state(first), made_y.state(second)
    ranked = a.n, _ranks([(a, made_x.rank(states[0]))]), _ranks([(b, made_y.rank(states[1]))])
    with crew(1, float(min(a.n, max(a.p, b.p))) ** 3):
        return compare(made_x.focus(states[0], first), states[1]), ranked


def _ranks(ranked: Iterable[tuple[Representation, int]]) -> Ranks:
    return {view.name: (rank, view.p) for view, rank in ranked if rank}
