"""Layer identification: whether an index finds the layer of one network that corresponds to a layer of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repsim.errors import NonFiniteError, ParameterError

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Identification:
    """Outcome of the layer-identification test.

    Attributes
    ----------
    accuracy : float
        Fraction of decisions that are correct, in [0, 1].
    correct, decisions : int
        Counts; there are networks * (networks - 1) * layers decisions.
    ties : int
        Decisions whose greatest similarity is shared by several layers; the first of them was taken.
    per_layer : ndarray
        (layers,), accuracy for each layer.
    """

    accuracy: float
    correct: int
    decisions: int
    ties: int
    per_layer: Float64


def identify(similarities: Any, *, symmetrise: bool = False, layers: Sequence[int] | None = None) -> Identification:
    """Run the layer-identification test and count.

    For every ordered pair of different networks a, b and every layer i of a, the layer of b with the greatest
    similarity is the match, which is correct if it is layer i.

    Parameters
    ----------
    similarities : array_like
        (m, m, L, L): entry a, b, i, j is the index of layer i of network a and layer j of network b. Entries
        with a = b are not looked at.
    symmetrise : bool
        Add the index with the roles exchanged, S + S', as the paper does for PWCCA and linear regression.
    layers : sequence of int, optional
        Take only these layers, on both sides.

    Returns
    -------
    Identification
        Accuracy and counts.

    Raises
    ------
    ParameterError
        If the shape is wrong, there are fewer than 2 networks, or a layer does not exist.
    NonFiniteError
        If a similarity of two different networks is NaN or infinite.

    References
    ----------
    Kornblith et al. (2019), section 6.1 and Table 2.

    Examples
    --------
    >>> import numpy as np
    >>> identify(np.tile(np.eye(3), (2, 2, 1, 1))).decisions
    6
    """
    return count_identified(prepare_similarities(similarities, symmetrise, layers))


def identification_accuracy(
    similarities: Any, *, symmetrise: bool = False, layers: Sequence[int] | None = None
) -> float:
    """Accuracy of the layer-identification test; see `identify`, whose parameters these are.

    Parameters
    ----------
    similarities : array_like
        (m, m, L, L): entry a, b, i, j is the index of layer i of network a and layer j of network b.
    symmetrise : bool
        Add the index with the roles exchanged, for asymmetric indexes.
    layers : sequence of int, optional
        Take only these layers.

    Returns
    -------
    float
        In [0, 1]; chance is 1 / L.

    Raises
    ------
    ParameterError, NonFiniteError
        As for `identify`.

    References
    ----------
    Kornblith et al. (2019), section 6.1 and Table 2.

    Examples
    --------
    >>> import numpy as np
    >>> identification_accuracy(np.tile(np.eye(3), (2, 2, 1, 1)))
    1.0
    """
    return identify(similarities, symmetrise=symmetrise, layers=layers).accuracy


def best_match(similarities: Any) -> NDArray[np.intp]:
    """Most similar layer of the second network, for each layer of the first.

    Parameters
    ----------
    similarities : array_like
        (..., La, Lb).

    Returns
    -------
    ndarray
        (..., La), indices into the last axis; of several equal ones the first.

    Raises
    ------
    ParameterError
        If there are no layers, or fewer than two dimensions.
    NonFiniteError
        If a similarity is NaN or infinite.

    Examples
    --------
    >>> best_match([[0.9, 0.2], [0.3, 0.1]])
    array([0, 0])
    """
    values = _numbers(similarities)
    if values.ndim < 2 or 0 in values.shape:
        raise ParameterError(f"similarities has shape {values.shape}; (..., layers, layers) is needed")
    if not np.isfinite(values).all():
        raise NonFiniteError("similarities holds a NaN or an infinity")
    matches: NDArray[np.intp] = np.argmax(values, axis=-1)
    return matches


def diagonal_matches(similarities: Any) -> int:
    """How many layers match the layer of the same position.

    Parameters
    ----------
    similarities : array_like
        (L, L), such as a mean over pairs of networks.

    Returns
    -------
    int
        Number of rows whose greatest entry is on the diagonal, at most L.

    Raises
    ------
    ParameterError
        If the matrix is not square.

    Examples
    --------
    >>> diagonal_matches([[0.9, 0.2], [0.3, 0.1]])
    1
    """
    matches = best_match(similarities)
    if matches.ndim != 1 or np.shape(similarities)[1] != len(matches):
        raise ParameterError(f"similarities has shape {np.shape(similarities)}; (layers, layers) is needed")
    return int(np.count_nonzero(matches == np.arange(len(matches))))


def prepare_similarities(similarities: Any, symmetrise: bool, layers: Sequence[int] | None) -> Float64:
    """Check (m, m, L, L) similarities, take the layers that were named, add the exchanged roles if asked to."""
    values = _numbers(similarities)
    if values.ndim != 4 or values.shape[0] != values.shape[1] or values.shape[2] != values.shape[3]:
        raise ParameterError(f"similarities has shape {values.shape}; (networks, networks, layers, layers) is needed")
    if len(values) < 2 or values.shape[2] < 1:
        raise ParameterError(f"similarities has shape {values.shape}; at least 2 networks and a layer are needed")
    if layers is not None:
        chosen = np.asarray(layers)
        sound = chosen.ndim == 1 and chosen.size > 0 and chosen.dtype.kind in "iu"
        if not sound or chosen.min() < 0 or chosen.max() >= values.shape[2] or len(set(chosen.tolist())) < len(chosen):
            raise ParameterError(f"layers is {layers!r}; different indices from 0 to {values.shape[2] - 1} are needed")
        values = values[:, :, chosen[:, None], chosen]
    different = ~np.eye(len(values), dtype=bool)
    if not np.isfinite(values[different]).all():
        a, b, i, j = np.argwhere(~np.isfinite(values) & different[:, :, None, None])[0]
        raise NonFiniteError(f"similarities[{a}, {b}, {i}, {j}] is {values[a, b, i, j]}; every entry must be finite")
    if symmetrise:
        values = values + values.transpose(1, 0, 3, 2)
    return values


def _numbers(similarities: Any) -> Float64:
    try:
        return np.array(similarities, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"similarities is no array of real numbers: {error}") from None


def count_identified(values: Float64) -> Identification:
    """Count the decisions of the test on checked similarities."""
    pairs = values[~np.eye(len(values), dtype=bool)]
    right = np.argmax(pairs, axis=2) == np.arange(pairs.shape[2])
    tied = np.count_nonzero(pairs == pairs.max(axis=2, keepdims=True), axis=2) > 1
    correct = int(right.sum())
    return Identification(correct / right.size, correct, right.size, int(tied.sum()), right.mean(axis=0))
