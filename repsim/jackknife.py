"""Jackknife over networks: standard errors and tests for the layer-identification accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from repsim.engine.arrays import Float64
from repsim.errors import ParameterError
from repsim.identification import count_identified, numbers, prepare_similarities
from repsim.options import flag, real_number
from repsim.results import Result


@dataclass(frozen=True, eq=False)
class Jackknife(Result):
    """A leave-one-network-out jackknife.

    Attributes
    ----------
    estimate : float
        Of all networks.
    standard_error : float
        Jackknife standard error.
    replicates : ndarray
        (networks,), the estimate without each network in turn.

    See Also
    --------
    repsim.jackknife : Makes one, with an example.
    """

    estimate: float
    standard_error: float
    replicates: Float64


@dataclass(frozen=True)
class ZTest:
    """A two-sided z-test of the difference of two accuracies on the same networks.

    Attributes
    ----------
    difference : float
        First accuracy minus second.
    standard_error : float
        Of the difference, by the jackknife.
    z : float
        Their ratio; 0 if the difference is 0, infinite if only the standard error is.
    p_value : float
        Two-sided, from the normal distribution.
    degenerate : bool
        Whether the standard error is 0. Then the replicates do not vary and the p-value, 1 or 0, only says whether
        the accuracies are equal: it is no measure of evidence.

    See Also
    --------
    repsim.jackknife_z_test : Makes one, with an example.
    """

    difference: float
    standard_error: float
    z: float
    p_value: float
    degenerate: bool


def jackknife_se(replicates: Any) -> float:
    """Jackknife standard error from leave-one-out estimates.

    Parameters
    ----------
    replicates : array_like
        (m,), the estimate without each of the m units in turn, m >= 2.

    Returns
    -------
    float
        ``sqrt((m - 1) / m * sum((replicates - mean)**2))``.

    Raises
    ------
    ParameterError
        If there are fewer than 2 or one is not finite.

    See Also
    --------
    jackknife : With the estimates.

    References
    ----------
    1. Efron (1982), doi:10.1137/1.9781611970319.

    Examples
    --------
    >>> jackknife_se([0.0, 1.0])
    0.5
    """
    values = numbers("replicates", replicates)
    if values.ndim != 1 or len(values) < 2:
        raise ParameterError(f"replicates has shape {values.shape}; at least 2 numbers are needed")
    for place in np.flatnonzero(~np.isfinite(values))[:1]:
        raise ParameterError(f"replicates[{place}] is {values[place]}; every one must be finite")
    m = len(values)
    spread = values - values.mean()
    if np.ptp(values) == 0:
        return 0.0
    return math.sqrt((m - 1) / m * float(spread @ spread))


def jackknife(
    similarities: Any,
    *,
    symmetrise: bool = False,
    layers: Sequence[int] | None = None,
    statistic: Callable[[Float64], float] | None = None,
) -> Jackknife:
    """Leave-one-network-out jackknife of the identification accuracy, or of another statistic.

    Parameters
    ----------
    similarities : array_like
        (m, m, L, L) with m >= 3, as for `identify`.
    symmetrise, layers
        As for `identify`.
    statistic : callable, optional
        Function of an (m, m, L, L) array in place of the accuracy.

    Returns
    -------
    Jackknife
        Estimate, standard error and the m replicates.

    Raises
    ------
    ParameterError
        If there are fewer than 3 networks, `statistic` is no function or returns no number, or as for
        `identify`.
    NonFiniteError
        As for `identify`.

    See Also
    --------
    identify : The accuracy alone.
    jackknife_z_test : Of the difference of two.

    References
    ----------
    1. Kornblith et al. (2019), Table 2 and Figure 6, doi:10.48550/arXiv.1905.00414.
    2. Efron (1982), doi:10.1137/1.9781611970319.

    Examples
    --------
    Four networks, the last of which no layer of the others is recognised in, nor the other way round:

    >>> import numpy as np
    >>> similarities = np.tile(np.eye(3), (4, 4, 1, 1))
    >>> similarities[3] = similarities[:, 3] = np.roll(np.eye(3), 1, axis=1)
    >>> result = jackknife(similarities)
    >>> result.estimate, result.replicates
    (0.5, array([0.33333333, 0.33333333, 0.33333333, 1.        ]))
    >>> round(result.standard_error, 3)
    0.5
    """
    if not (statistic is None or callable(statistic)):
        raise ParameterError(f"statistic is {statistic!r}; a function of similarities is needed")
    values = prepare_similarities(similarities, symmetrise, layers)
    if len(values) < 3:
        raise ParameterError(f"similarities is of {len(values)} networks; a jackknife over networks needs at least 3")

    def measure(similarities: Float64) -> float:
        if statistic is None:
            return count_identified(similarities).accuracy
        return real_number("the value of statistic", statistic(similarities), "a number is needed")

    others = [np.delete(np.arange(len(values)), left_out) for left_out in range(len(values))]
    replicates = np.array([measure(values[np.ix_(kept, kept)]) for kept in others])
    return Jackknife(float(measure(values)), jackknife_se(replicates), replicates)


def jackknife_z_test(
    similarities_1: Any,
    similarities_2: Any,
    *,
    symmetrise: bool | Sequence[bool] = False,
    layers: Sequence[int] | None = None,
) -> ZTest:
    """Test whether two indexes identify layers of the same networks equally well.

    The difference of the two accuracies is jackknifed over networks, which keeps what they have in common out of
    its standard error.

    Parameters
    ----------
    similarities_1, similarities_2 : array_like
        (m, m, L, L) of the same m >= 3 networks.
    symmetrise : bool or sequence of two bool
        For both, or for each.
    layers : sequence of int, optional
        As for `identify`.

    Returns
    -------
    ZTest
        Difference, standard error, z, two-sided p-value.

    Raises
    ------
    ParameterError
        If the numbers of networks differ, `symmetrise` is not True, False or two of these, or as for `jackknife`.

    See Also
    --------
    jackknife : Of one index.

    References
    ----------
    1. Kornblith et al. (2019), Table 2, doi:10.48550/arXiv.1905.00414.

    Examples
    --------
    >>> import numpy as np
    >>> clear = np.tile(np.eye(3), (8, 8, 1, 1))
    >>> noisy = clear + 0.6 * np.random.default_rng(0).standard_normal(clear.shape)
    >>> test = jackknife_z_test(clear, noisy)
    >>> print(f"difference {test.difference:.2f}, p {test.p_value:.1e}")
    difference 0.18, p 1.8e-09
    """
    first_symmetrised, second_symmetrised = _flags(symmetrise)
    first = jackknife(similarities_1, symmetrise=first_symmetrised, layers=layers)
    second = jackknife(similarities_2, symmetrise=second_symmetrised, layers=layers)
    if (shape := np.shape(similarities_1)) != (other := np.shape(similarities_2)):
        raise ParameterError(
            f"similarities_1 is of shape {shape} and similarities_2 of shape {other}; the test compares two indexes on "
            "the same layers of the same networks"
        )
    difference = first.estimate - second.estimate
    error = jackknife_se(first.replicates - second.replicates)
    if error < 1e-12:
        equal = abs(difference) < 1e-12
        return ZTest(difference, 0.0, 0.0 if equal else math.copysign(math.inf, difference), float(equal), True)
    z = difference / error
    return ZTest(difference, error, z, math.erfc(abs(z) / math.sqrt(2)), False)


def _flags(symmetrise: Any) -> tuple[bool, bool]:
    """Return one flag for each of two indexes."""
    if isinstance(symmetrise, bool | np.bool_):
        return bool(symmetrise), bool(symmetrise)
    try:
        first, second = symmetrise
        return flag("symmetrise", first), flag("symmetrise", second)
    except (TypeError, ValueError):
        raise ParameterError(f"symmetrise is {symmetrise!r}; True, False or two of these are needed") from None
