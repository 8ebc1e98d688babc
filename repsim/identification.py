"""Layer identification: whether an index finds the layer of one network that corresponds to a layer of another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repsim.engine.arrays import Float64
from repsim.errors import NonFiniteError, ParameterError
from repsim.options import flag
from repsim.results import Result


@dataclass(frozen=True, eq=False)
class Identification(Result):
    """Outcome of the layer-identification test.

    Attributes
    ----------
    accuracy : float
        Fraction of decisions that are correct, in [0, 1].
    correct : float
        Number of correct decisions; one whose greatest similarity k layers share counts 1 / k if the right layer is
        one of them, as a guess among them would in the mean.
    decisions : int
        There are networks * (networks - 1) * layers.
    ties : int
        Decisions whose greatest similarity is shared by several layers.
    per_layer : ndarray
        (layers,), accuracy for each layer.

    See Also
    --------
    repsim.identify : Makes one, with an example.
    """

    accuracy: float
    correct: float
    decisions: int
    ties: int
    per_layer: Float64


def identify(similarities: Any, *, symmetrise: bool = False, layers: Sequence[int] | None = None) -> Identification:
    """Run the layer-identification test and count.

    For every ordered pair of different networks a, b and every layer i of a, the layer of b with the greatest
    similarity is the match, which is correct if it is layer i. Where k layers share the greatest similarity, layer i
    among them, the decision counts 1 / k. Shared means equal to the last digit: the values of a saturated index, 1 but
    for rounding, are told apart by their rounding.

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
        If the shape is wrong, there are fewer than 2 networks, `symmetrise` is not True or False, or a layer does not
        exist or is named twice.
    NonFiniteError
        If a similarity of two different networks is NaN or infinite.

    See Also
    --------
    jackknife : Its standard error.

    References
    ----------
    1. Kornblith et al. (2019), section 6.1 and Table 2, doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    Two networks of three layers, of which an index does not tell the last two apart:

    >>> import numpy as np
    >>> outcome = identify(np.tile([[1.0, 0.2, 0.2], [0.2, 0.9, 0.9], [0.2, 0.9, 0.9]], (2, 2, 1, 1)))
    >>> outcome.correct, outcome.decisions, outcome.ties
    (4.0, 6, 4)
    >>> outcome.per_layer
    array([1. , 0.5, 0.5])
    """
    return count_identified(prepare_similarities(similarities, symmetrise, layers))


def identification_accuracy(
    similarities: Any, *, symmetrise: bool = False, layers: Sequence[int] | None = None
) -> float:
    """Accuracy of the layer-identification test.

    Parameters
    ----------
    similarities, symmetrise, layers
        As for `identify`: (m, m, L, L) of m networks of L layers.

    Returns
    -------
    float
        In [0, 1]; chance is 1 / L.

    Raises
    ------
    ParameterError, NonFiniteError
        As for `identify`.

    See Also
    --------
    identify : The counts it is made from.

    References
    ----------
    1. Kornblith et al. (2019), section 6.1 and Table 2, doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    Two networks of three layers, of which an index confuses the last two:

    >>> import numpy as np
    >>> round(identification_accuracy(np.tile(np.eye(3)[[0, 2, 1]], (2, 2, 1, 1))), 2)
    0.33
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
        (..., La), indices into the last axis; of several equal ones the first, though `identify` and
        `diagonal_matches` count them in parts.

    Raises
    ------
    ParameterError
        If there are no layers, or fewer than two dimensions.
    NonFiniteError
        If a similarity is NaN or infinite.

    See Also
    --------
    diagonal_matches : How many are of the same position.

    Examples
    --------
    >>> best_match([[0.9, 0.2], [0.3, 0.1]])
    array([0, 0])
    """
    values = numbers("similarities", similarities)
    if values.ndim < 2 or 0 in values.shape:
        raise ParameterError(f"similarities has shape {values.shape}; (..., layers, layers) is needed")
    if not np.isfinite(values).all():
        raise NonFiniteError("similarities holds a NaN or an infinity")
    matches: NDArray[np.intp] = np.argmax(values, axis=-1)
    return matches


def diagonal_matches(similarities: Any) -> float:
    """How many layers match the layer of the same position.

    Parameters
    ----------
    similarities : array_like
        (L, L), such as a mean over pairs of networks.

    Returns
    -------
    float
        Number of rows whose greatest entry is on the diagonal, at most L. A row of k equal greatest entries counts
        1 / k if one of them is on the diagonal; equal means to the last digit, as for `identify`.

    Raises
    ------
    ParameterError
        If the matrix is not square.
    NonFiniteError
        If a similarity is NaN or infinite.

    See Also
    --------
    best_match : Which layers match.

    Examples
    --------
    >>> diagonal_matches([[0.9, 0.2], [0.3, 0.1]])
    1.0
    >>> diagonal_matches([[0.9, 0.2], [0.3, 0.3]])
    1.5
    """
    matches = best_match(similarities)
    if matches.ndim != 1 or np.shape(similarities)[1] != len(matches):
        raise ParameterError(f"similarities has shape {np.shape(similarities)}; (layers, layers) is needed")
    return _shared_out(*_best(numbers("similarities", similarities)))


def prepare_similarities(similarities: Any, symmetrise: Any, layers: Sequence[int] | None) -> Float64:
    """Check (m, m, L, L) similarities, take the layers that were named, add the exchanged roles if asked to."""
    symmetrise = flag("symmetrise", symmetrise)
    values = numbers("similarities", similarities)
    if values.ndim != 4 or values.shape[0] != values.shape[1] or values.shape[2] != values.shape[3]:
        raise ParameterError(f"similarities has shape {values.shape}; (networks, networks, layers, layers) is needed")
    if len(values) < 2 or values.shape[2] < 1:
        raise ParameterError(f"similarities has shape {values.shape}; at least 2 networks and a layer are needed")
    if layers is not None:
        chosen = _chosen(layers, values.shape[2])
        values = values[:, :, chosen[:, None], chosen]
    different = ~np.eye(len(values), dtype=bool)
    if not np.isfinite(values[different]).all():
        a, b, i, j = np.argwhere(~np.isfinite(values) & different[:, :, None, None])[0]
        raise NonFiniteError(f"similarities[{a}, {b}, {i}, {j}] is {values[a, b, i, j]}; every entry must be finite")
    if symmetrise:
        values = values + values.transpose(1, 0, 3, 2)
    return values


def _chosen(layers: Sequence[int], count: int) -> NDArray[np.intp]:
    """Return places among so many layers, or raise unless they are different ones."""
    try:
        chosen = np.asarray(layers)
    except ValueError:  # of different lengths
        chosen = np.empty(0)
    sound = chosen.ndim == 1 and chosen.size > 0 and chosen.dtype.kind in "iu"
    if not sound or chosen.min() < 0 or chosen.max() >= count or len(set(chosen.tolist())) < len(chosen):
        raise ParameterError(f"layers is {layers!r}; different indices from 0 to {count - 1} are needed")
    return chosen


def numbers(name: str, values: Any) -> Float64:
    """Return a copy as float64, or say that it holds something else than real numbers; text is not read as numbers."""
    try:
        array = np.asarray(values)
        if np.ma.is_masked(values):
            problem = "it has masked entries; fill or drop them"
        elif array.dtype.kind in "bUSMmc" or (
            array.dtype.kind == "O" and any(isinstance(v, bool | str | bytes | bytearray) for v in array.flat)
        ):
            problem = f"dtype {array.dtype}"
        else:
            return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        problem = str(error)
    raise ParameterError(f"{name} is no array of real numbers: {problem}")


def count_identified(values: Float64) -> Identification:
    """Count the decisions of the test on checked similarities."""
    hit, best = _best(values[~np.eye(len(values), dtype=bool)])
    per_layer = np.array([_shared_out(*layer) for layer in zip(hit.T, best.T, strict=True)]) / len(hit)
    correct = _shared_out(hit, best)
    return Identification(correct / hit.size, correct, hit.size, int(np.count_nonzero(best > 1)), per_layer)


def _best(similarities: Float64) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Return whether each layer is a best match of itself, and of how many equally good ones, (..., L) each."""
    best = similarities == similarities.max(axis=-1, keepdims=True)
    return np.diagonal(best, axis1=-2, axis2=-1), np.count_nonzero(best, axis=-1)


def _shared_out(hit: NDArray[np.bool_], best: NDArray[np.intp]) -> float:
    """Sum 1 / k over the hits of k equally good matches; those of the same k first, so that whole numbers are exact."""
    number = np.bincount(best[hit])
    return float(sum(number[1:] / np.arange(1, len(number))))
