import numpy as np
import pytest

from repsim import best_match, diagonal_matches, errors, identification_accuracy, identify


def perfect(networks=4, layers=3):
    return np.tile(np.eye(layers), (networks, networks, 1, 1))


def test_perfect_identification():
    result = identify(perfect(10, 9))
    assert (result.accuracy, result.correct, result.decisions, result.ties) == (1.0, 810, 810, 0)
    np.testing.assert_array_equal(result.per_layer, np.ones(9))


def test_one_wrong_decision():
    similarities = perfect()
    similarities[2, 1, 0] = [0.1, 0.3, 0.2]
    result = identify(similarities)
    assert (result.correct, result.decisions) == (35, 36)
    assert identification_accuracy(similarities) == pytest.approx(35 / 36)
    np.testing.assert_allclose(result.per_layer, [11 / 12, 1, 1])


def test_both_directions_are_separate_decisions():
    """The greatest of a row need not be the greatest of its column."""
    one_way = np.array([[0.9, 0.8], [0.7, 0.6]])
    similarities = np.zeros((2, 2, 2, 2))
    similarities[0, 1], similarities[1, 0] = one_way, one_way.T
    assert identify(similarities).correct == 2
    similarities[0, 1] = [[0.9, 0.8], [0.7, 0.75]]
    similarities[1, 0] = similarities[0, 1].T
    assert identify(similarities).correct == 2 + 1  # rows (0, 1), columns (0 only)


def test_self_pairs_do_not_matter():
    similarities = perfect()
    for a in range(4):
        similarities[a, a] = np.nan
    assert identification_accuracy(similarities) == 1.0


def test_symmetrise_adds_the_exchanged_roles():
    rng = np.random.default_rng(0)
    s = rng.random((3, 3, 4, 4))
    correct = 0
    for a in range(3):
        for b in range(3):
            if a != b:
                total = np.array([[s[a, b, i, j] + s[b, a, j, i] for j in range(4)] for i in range(4)])
                correct += sum(total[i].argmax() == i for i in range(4))
    assert identify(s, symmetrise=True).correct == correct


def test_a_tie_of_k_counts_one_kth_and_is_counted():
    result = identify(np.ones((3, 3, 4, 4)))
    assert (result.accuracy, result.correct, result.decisions, result.ties) == (1 / 4, 6.0, 24, 24)
    np.testing.assert_array_equal(result.per_layer, np.full(4, 1 / 4))
    similarities = perfect()
    similarities[0, 1, 0] = [0.5, 0.5, 0.2]  # right layer among two
    similarities[1, 0, 1] = [0.7, 0.7, 0.7]  # among three
    similarities[2, 0, 2] = [0.9, 0.9, 0.1]  # not among them
    result = identify(similarities)
    assert result.correct == pytest.approx(33 + 1 / 2 + 1 / 3)
    assert (result.decisions, result.ties) == (36, 3)
    np.testing.assert_allclose(result.per_layer, [11.5 / 12, (11 + 1 / 3) / 12, 11 / 12])
    assert identification_accuracy(similarities) == result.accuracy == pytest.approx(result.correct / 36)


def test_a_tie_is_worth_a_guess():
    """The mean over all ways to break ties by chance, of similarities with few different values."""
    rng = np.random.default_rng(1)
    similarities = rng.integers(0, 3, (3, 3, 5, 5)).astype(float)
    broken = [identify(similarities + 1e-9 * rng.random(similarities.shape)).accuracy for _ in range(2000)]
    assert identify(similarities).accuracy == pytest.approx(np.mean(broken), abs=4 * np.std(broken) / np.sqrt(2000))
    assert np.std(broken) > 0.01


def test_whole_numbers_are_exact():
    """Nine times one ninth is one: a constant map has one match on its diagonal."""
    for size in range(1, 30):
        assert diagonal_matches(np.zeros((size, size))) == 1.0
        assert identify(np.zeros((4, 4, size, size))).correct == 12.0


def test_layers_are_chosen_on_both_sides():
    similarities = perfect(3, 4)
    similarities[:, :, :, 3] = 2.0
    assert identification_accuracy(similarities) == 1 / 4
    assert identification_accuracy(similarities, layers=[0, 1, 2]) == 1.0


@pytest.mark.parametrize("shape", [(3, 3, 4), (2, 3, 4, 4), (3, 3, 4, 5), (1, 1, 4, 4)])
def test_shapes_are_checked(shape):
    with pytest.raises(errors.ParameterError, match="similarities has shape"):
        identify(np.zeros(shape))


def test_values_and_layers_are_checked():
    similarities = perfect()
    similarities[0, 1, 2, 0] = np.nan
    with pytest.raises(errors.NonFiniteError, match=r"similarities\[0, 1, 2, 0\] is nan"):
        identify(similarities)
    for layers in ([], [3], [-1]):
        with pytest.raises(errors.ParameterError, match="layers"):
            identify(perfect(), layers=layers)


def test_best_match_and_diagonal():
    matrix = np.array([[0.2, 0.9, 0.1], [0.3, 0.8, 0.1], [0.0, 0.0, 0.5]])
    np.testing.assert_array_equal(best_match(matrix), [1, 1, 2])
    assert best_match(np.stack([matrix, matrix])).shape == (2, 3)
    assert diagonal_matches(matrix) == 2
    assert diagonal_matches([[0.5, 0.5, 0.1], [0.5, 0.2, 0.5], [0.1, 0.3, 0.3]]) == 1 / 2 + 0 + 1 / 2
    with pytest.raises(errors.ParameterError):
        diagonal_matches(matrix[:2])
    with pytest.raises(errors.NonFiniteError):
        best_match([[np.nan, 1.0]])


@pytest.mark.parametrize("layers", [[True, False, True], [0.7, 1.9], [0, 0, 1], [-1], [3], []])
def test_layers_that_are_no_indices_are_refused(layers):
    with pytest.raises(errors.ParameterError, match="different indices from 0 to 2 are needed"):
        identify(np.tile(np.eye(3), (2, 2, 1, 1)), layers=layers)


def test_a_ragged_list_is_refused():
    with pytest.raises(errors.ParameterError, match="similarities is no array of real numbers"):
        identify([[[[1.0], [2.0, 3.0]]]])


@pytest.mark.parametrize("symmetrise", ["no", "yes", 1, 0, None, [True], np.array([True, False])])
def test_symmetrise_is_true_or_false(symmetrise):
    with pytest.raises(errors.ParameterError, match="symmetrise is .*True or False is needed"):
        identify(perfect(), symmetrise=symmetrise)
    assert identify(perfect(), symmetrise=np.True_).accuracy == 1.0


def test_text_is_no_number():
    for function in (identify, identification_accuracy):
        with pytest.raises(errors.ParameterError, match="similarities is no array of real numbers: dtype <U"):
            function(perfect().astype(str))
    for bad in ([["0.5"]], [[1j]], [[{}]], "0.5"):
        with pytest.raises(errors.ParameterError, match="similarities is no array of real numbers"):
            best_match(bad)


def test_outcomes_are_compared_by_their_values():
    one, same, other = identify(perfect()), identify(perfect()), identify(np.ones((4, 4, 3, 3)))
    assert one == same
    assert one != other
    assert one != "accuracy"
    assert one != identify(perfect(4, 4))
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)
