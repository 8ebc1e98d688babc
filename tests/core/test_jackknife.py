import math

import numpy as np
import pytest

from repsim import errors, identification_accuracy, jackknife, jackknife_se, jackknife_z_test


def tensor(seed, signal, networks=6, layers=5):
    rng = np.random.default_rng(seed)
    return np.eye(layers) * signal + rng.random((networks, networks, layers, layers))


def without(similarities, network):
    kept = [a for a in range(len(similarities)) if a != network]
    return similarities[np.ix_(kept, kept)]


def test_standard_error_by_hand():
    assert jackknife_se([1.0, 2.0, 4.0]) == pytest.approx(math.sqrt(2 / 3 * (16 / 9 + 1 / 9 + 25 / 9)))
    assert jackknife_se([0.1] * 7) == 0.0


def test_of_a_mean_it_is_the_usual_standard_error():
    values = np.random.default_rng(0).random(12)
    replicates = [np.delete(values, i).mean() for i in range(12)]
    assert jackknife_se(replicates) == pytest.approx(values.std(ddof=1) / math.sqrt(12))


def test_leaves_out_one_network_at_a_time():
    similarities = tensor(1, 0.5)
    result = jackknife(similarities)
    replicates = [identification_accuracy(without(similarities, a)) for a in range(6)]
    np.testing.assert_allclose(result.replicates, replicates)
    assert result.estimate == identification_accuracy(similarities)
    assert result.standard_error == pytest.approx(jackknife_se(replicates)) != 0


def test_of_another_statistic():
    similarities = tensor(2, 0.5)
    result = jackknife(similarities, statistic=lambda s: s[~np.eye(len(s), dtype=bool)].mean())
    assert result.estimate == pytest.approx(similarities[~np.eye(6, dtype=bool)].mean())
    assert result.standard_error > 0


def test_z_test_by_hand():
    first, second = tensor(3, 0.6), tensor(4, 0.3)
    result = jackknife_z_test(first, second)
    replicates = [
        identification_accuracy(without(first, a)) - identification_accuracy(without(second, a)) for a in range(6)
    ]
    assert result.difference == pytest.approx(identification_accuracy(first) - identification_accuracy(second))
    assert result.standard_error == pytest.approx(jackknife_se(replicates))
    assert result.z == pytest.approx(result.difference / result.standard_error)
    assert result.p_value == pytest.approx(math.erfc(abs(result.z) / math.sqrt(2)))
    assert not result.degenerate
    assert jackknife_z_test(second, first).p_value == pytest.approx(result.p_value)


def test_each_may_be_symmetrised():
    first, second = tensor(3, 0.6), tensor(4, 0.3)
    both = second + second.transpose(1, 0, 3, 2)
    expected = jackknife_z_test(first, both)
    for each in ((False, True), [False, True], np.array([False, True])):
        assert jackknife_z_test(first, second, symmetrise=each) == expected
    assert jackknife_z_test(first, second, symmetrise=True) == jackknife_z_test(first, second, symmetrise=[True, True])
    assert jackknife_z_test(first, second, symmetrise=True) != expected


@pytest.mark.parametrize("symmetrise", ["no", "yes", 1, None, [True], [True, False, True], ["yes", "no"], [[True], 0]])
def test_symmetrise_is_a_flag_or_two(symmetrise):
    with pytest.raises(errors.ParameterError, match="symmetrise is .*True, False or two of these"):
        jackknife_z_test(tensor(3, 0.6), tensor(4, 0.3), symmetrise=symmetrise)


def test_ties_count_in_part():
    """Four equal layers: every replicate is one in four, whatever the order of the layers."""
    result = jackknife(np.ones((4, 4, 4, 4)))
    assert (result.estimate, result.standard_error) == (0.25, 0.0)
    half = np.tile([[1.0, 1.0], [0.0, 1.0]], (3, 3, 1, 1))
    assert jackknife(half).estimate == 3 / 4 == jackknife(half[..., ::-1, ::-1]).estimate


def test_results_are_compared_by_their_values():
    one, same, other = jackknife(tensor(1, 0.5)), jackknife(tensor(1, 0.5)), jackknife(tensor(2, 0.5))
    assert one == same
    assert one != other
    assert one != jackknife(tensor(1, 0.5, networks=5))


def test_no_spread_is_said():
    """A standard error of zero gives no NaN, and the result says that its p-value is not evidence."""
    perfect = np.tile(np.eye(3), (4, 4, 1, 1))
    wrong = np.tile(np.roll(np.eye(3), 1, axis=1), (4, 4, 1, 1))
    same = jackknife_z_test(perfect, perfect)
    assert (same.z, same.p_value, same.degenerate) == (0.0, 1.0, True)
    apart = jackknife_z_test(wrong, perfect)
    assert (apart.z, apart.p_value, apart.degenerate) == (-math.inf, 0.0, True)


def test_arguments_are_checked():
    with pytest.raises(errors.ParameterError, match="at least 3"):
        jackknife(np.ones((2, 2, 3, 3)))
    with pytest.raises(
        errors.ParameterError, match="similarities_1 is of shape .6, 6, 5, 5. and similarities_2 of shape .5, 5, 5, 5."
    ):
        jackknife_z_test(tensor(0, 1), tensor(0, 1, networks=5))
    with pytest.raises(errors.ParameterError, match="statistic is 'mean'; a function"):
        jackknife(tensor(0, 1), statistic="mean")
    for returned in (None, "1", [1.0, 2.0], np.nan):
        with pytest.raises(errors.ParameterError, match="the value of statistic is .*; a number is needed"):
            jackknife(tensor(0, 1), statistic=lambda _, returned=returned: returned)
    with pytest.raises(errors.ParameterError, match=r"replicates\[1\] is nan"):
        jackknife_se([1.0, np.nan, 2.0])
    for bad in ([1.0], [1.0, np.nan], [[1.0, 2.0]], ["1.0", "2.0"], "12", [None, 1.0]):
        with pytest.raises(errors.ParameterError):
            jackknife_se(bad)
