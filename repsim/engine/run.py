"""Everything that some indexes ask of some representations: what is made of each, one pass, then pair by pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from repsim.engine.arrays import Float64
from repsim.engine.checkpoint import Checkpoint
from repsim.engine.moments import Plan, Wanted
from repsim.engine.operators import places_of
from repsim.engine.pairs import Compared, Pairs, Ranked
from repsim.engine.prepared import Prepared, basis_operations, find_medians, median_operations, memory_for_bases
from repsim.engine.progress import Progress, reporter
from repsim.engine.representation import Representation
from repsim.engine.tables import Moments


def run(
    views: Sequence[Representation],
    rows: Sequence[int],
    columns: Sequence[int],
    asked: Sequence[Wanted | Compared],
    *,
    memory: int,
    median: str,
    block: int | None,
    resume: Path | None,
    call: Mapping[str, Any],
    progress: Progress,
) -> tuple[list[Moments | tuple[Float64, Ranked]], dict[int, float]]:
    """Return the moments, or the values and ranks, for each of `asked`, and the median distances that were found.

    `rows` and `columns` say which views are on the rows of the tables and which on the columns, and `call` what the
    computation is, so that a folder of another one is refused.
    """
    plan = Plan([request for request in asked if isinstance(request, Wanted)], rows, columns)
    pairs = Pairs([request for request in asked if isinstance(request, Compared)], rows, columns)
    places = places_of(asked, rows, columns)
    medians = sorted({i for made, numbers in places.items() if made.needs_median for i in numbers})
    bases = [(made, i) for made, numbers in places.items() if made.needs_basis for i in numbers]
    singular, double = (
        any(getattr(made, f"needs_{what}") for made in places) for what in ("singular_values", "double_basis")
    )
    checkpoint = Checkpoint(resume, call, memory_for_bases(views, memory, based=bool(bases), singular=singular))
    prepared = [
        Prepared(view, memory, checkpoint, number, singular=singular, double=double)
        for number, view in enumerate(views)
    ]
    own = {i: (20 if singular else 3) * basis_operations(views[i]) for _, i in bases}
    total = 0.0
    if progress:
        total = sum(own[i] for _, i in bases) + sum(median_operations(views[i]) for i in medians)
        total += plan.operations(views, memory) + pairs.operations(views)
    with checkpoint, reporter(progress, total) as tick:
        if medians:
            find_medians([prepared[i] for i in medians], median, memory, tick)
        for made, i in bases:
            made.state(prepared[i])
            tick(own[i])
        options: dict[str, Any] = {"memory": memory, "tick": tick, "checkpoint": checkpoint}
        moments = iter(plan.moments(prepared, block=block, **options))
        compared = iter(pairs.tables(prepared, **options))
        results = [next(moments) if isinstance(request, Wanted) else next(compared) for request in asked]
        distances = {i: float(np.ldexp(np.sqrt(prepared[i].median), views[i].exponent)) for i in medians}
    return results, distances
