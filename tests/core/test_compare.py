import numpy as np
import pytest

from repsim import activations, cka, compare, errors

IMAGES = np.random.default_rng(0).standard_normal((80, 4, 4, 3)).astype(np.float32)


def model(batch):
    return {"pixels": batch, "squares": batch**2, "mean": batch.mean(axis=(1, 2))}


def other(batch):
    return {"flat": batch.reshape(len(batch), -1), "max": batch.max(axis=(1, 2))}


@pytest.mark.parametrize("batch_size", [9, 80, 100])
def test_functions(batch_size):
    result = compare(model, other, IMAGES, batch_size=batch_size)
    assert result.values.shape == (3, 2)
    assert (result.layers_a, result.layers_b, result.index) == (
        ("pixels", "squares", "mean"),
        ("flat", "max"),
        "cka_linear",
    )
    assert result.values[2, 1] == pytest.approx(cka(IMAGES.mean(axis=(1, 2)), IMAGES.max(axis=(1, 2))), rel=1e-5)


def test_layers_are_chosen():
    result = compare(model, other, IMAGES, layers=["mean"], layers_b=["max", "flat"], index="cca_r2", batch_size=9)
    assert result.layers_a == ("mean",)
    assert result.layers_b == ("max", "flat")
    with pytest.raises(errors.ParameterError, match="model_a has no layer 'nose'; it has pixels, squares, mean"):
        compare(model, model, IMAGES, layers=["nose"])


def test_what_is_not_a_model():
    with pytest.raises(errors.ParameterError, match="returned ndarray; a mapping"):
        compare(lambda batch: batch, model, IMAGES)
    with pytest.raises(errors.ParameterError, match="model_a is a int; a PyTorch module, a Keras model, or a function"):
        compare(3, model, IMAGES)
    with pytest.raises(errors.DimensionError, match="layer 'one' of model_a has activations of shape"):
        compare(lambda batch: {"one": batch[:, 0, 0, 0]}, model, IMAGES)
    with pytest.raises(errors.ParameterError, match="batch_size"):
        activations(model, IMAGES, batch_size=0)
    with pytest.raises(errors.ParameterError, match="empty"):
        activations(model, IMAGES[:0])


def test_a_layer_is_named_once():
    for call in (activations, lambda *given, **options: compare(model, *given, **options)):
        with pytest.raises(errors.ParameterError, match="layers names 'mean' more than once; each is taken once"):
            call(model, IMAGES, layers=["mean", "squares", "mean"])
    taken = activations(model, IMAGES, layers=["mean", "me*"])  # a pattern may find it too
    np.testing.assert_array_equal(taken["mean"], IMAGES.mean(axis=(1, 2)))


@pytest.mark.parametrize("batch_size", [64, 1000])
def test_rows_are_counted(batch_size):
    sentences = {"ids": np.arange(1800).reshape(600, 3), "mask": np.ones((600, 3))}
    taken = activations(lambda batch: {"x": batch["ids"] * batch["mask"]}, sentences, batch_size=batch_size)
    np.testing.assert_array_equal(taken["x"], sentences["ids"])
    words = [f"word {i}" for i in range(200)]
    taken = activations(
        lambda batch: {"x": np.array([[int(word[5:])] for word in batch])}, words, batch_size=batch_size
    )
    np.testing.assert_array_equal(taken["x"][:, 0], np.arange(200))
    with pytest.raises(errors.ShapeMismatchError, match=r"layer 'x' of model_a gave 1 row\(s\) for 64 input\(s\)"):
        compare(lambda batch: {"x": batch["ids"].mean(axis=0)[None]}, model, sentences, batch_size=64)


def test_two_inputs():
    pair = {"left": IMAGES, "right": IMAGES[::-1]}
    taken = activations(lambda batch: {"sum": batch["left"] + batch["right"]}, pair, batch_size=9)
    np.testing.assert_array_equal(taken["sum"], IMAGES + IMAGES[::-1])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # whatever Keras and its backend say while they are imported
def test_keras_models():
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.layers.Input((4, 4, 3)),
            keras.layers.Conv2D(5, 3, activation="relu", name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.GlobalAveragePooling2D(name="pool"),
            keras.layers.Dropout(0.5, name="drop"),
        ]
    )
    result = compare(network, network, IMAGES, batch_size=10)
    assert result.layers_a == ("conv", "norm", "pool", "drop")
    np.testing.assert_allclose(np.diag(result.values), 1.0)
    assert result.values[2, 3] == pytest.approx(1.0, abs=1e-6)  # dropout is off
    taken = activations(network, IMAGES, layers=["pool"], batch_size=7)
    np.testing.assert_allclose(taken["pool"], np.asarray(network(IMAGES)), rtol=1e-5, atol=1e-6)
    with pytest.raises(errors.ParameterError, match="no layer 'nose'; it has conv, norm, pool, drop"):
        compare(network, network, IMAGES, layers=["nose"])
