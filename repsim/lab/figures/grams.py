"""Pictures for the page that explains CKA: points, and the matrix of their similarities to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import seaborn as sns
from numpy.typing import NDArray

import repsim
from repsim.lab.figures.style import HEAT, Drawing, panels, style
from repsim.lab.wording import signed

Points = NDArray[np.float64]


def clouds(points: Mapping[str, Points], groups: Sequence[int]) -> Drawing:
    """Draw representations with two features, each beside its centred Gram matrix, and its CKA with the first.

    Parameters
    ----------
    points
        What each is called -> (n, 2), of the same examples in the same order.
    groups
        (n,), the group of each example, which gives its colour and its place in the matrix.
    """
    order = np.argsort(groups, kind="stable")
    first, said = next(iter(points.values())), []
    with style():
        figure, axes = panels(len(points), 2, 1.75)
        colours = np.array(sns.color_palette())[np.asarray(groups)]
        for (left, right), (name, x) in zip(axes, points.items(), strict=True):
            similarity = repsim.cka(first, x)
            left.scatter(*(x - x.mean(0)).T, c=colours, s=14)
            left.set(aspect="equal", adjustable="datalim", xticks=[], yticks=[], title=name)
            gram = repsim.centre_gram(repsim.gram_linear(x))[np.ix_(order, order)]
            limit = np.abs(gram).max()
            right.imshow(gram, cmap=HEAT, vmin=-limit, vmax=limit)
            right.set(xticks=[], yticks=[], title=f"CKA with the first: {signed(f'{similarity:.2f}')}")
            said.append(f"{name}, {similarity:.2f}")
    return Drawing(
        figure,
        f"{len(points)} clouds of {len(first)} points in {len(set(groups))} groups, each beside the matrix of the "
        f"points' similarities to each other. CKA with the first: {'; '.join(said)}. Where the matrix looks the same "
        "but for its scale, CKA is 1.",
    )
