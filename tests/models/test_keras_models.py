"""Activations of Keras models against those taken by hand."""

import collections

import numpy as np
import pytest

from repsim import activations, cka, compare, errors
from repsim.tapping.stores import read_folder

keras = pytest.importorskip("keras")
layers = keras.layers
X = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
IMAGES = np.random.default_rng(1).normal(size=(30, 8, 8, 3)).astype(np.float32)
pytestmark = pytest.mark.filterwarnings("ignore")  # whatever Keras and its backend say while they are imported


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def close(taken, right):
    np.testing.assert_allclose(taken, right, rtol=1e-5, atol=1e-6)


def test_a_layer_that_is_used_in_two_models():
    given = keras.Input((8,))
    encoder, before = layers.Dense(6, "relu", name="encoder"), layers.Dense(8, name="before")
    first = keras.Model(given, layers.Dense(3)(encoder(given)))
    second = keras.Model(given, layers.Dense(3)(encoder(before(given))))
    value = compare(first, second, X, layers=["encoder"], batch_size=17).values[0, 0]
    assert value == pytest.approx(cka(numpy(encoder(X)), numpy(encoder(before(X)))), abs=1e-6)
    assert value < 0.99


def test_a_layer_that_is_used_twice_in_one():
    given = keras.Input((8,))
    twice = layers.Dense(8, "tanh", name="twice")
    model = keras.Model(given, twice(twice(given)))
    taken = activations(model, X, batch_size=17)
    assert list(taken) == ["twice", "twice#2"]
    close(taken["twice"], numpy(twice(X)))
    close(taken["twice#2"], numpy(model(X)))
    assert "call" not in vars(twice)


def with_a_backbone():
    inner = keras.Input((8, 8, 3))
    h = layers.Conv2D(4, 3, activation="relu", name="conv")(inner)
    backbone = keras.Model(inner, layers.Conv2D(5, 3, name="last")(h), name="backbone")
    given = keras.Input((8, 8, 3))
    h = layers.Dropout(0.5, name="drop")(backbone(layers.Rescaling(2.0, name="scale")(given)))
    return keras.Model(given, layers.GlobalAveragePooling2D(name="pool")(h)), backbone


def test_layers_of_a_nested_backbone():
    model, backbone = with_a_backbone()
    taken = activations(model, IMAGES, batch_size=16)
    assert list(taken) == ["scale", "backbone/conv", "backbone/last", "drop", "pool"]
    conv = keras.Model(backbone.inputs, backbone.get_layer("conv").output)
    close(taken["backbone/conv"], numpy(conv(2 * IMAGES)))
    close(taken["drop"], taken["backbone/last"])
    close(activations(model, IMAGES, layers="backbone")["backbone"], taken["backbone/last"])
    with pytest.raises(errors.ParameterError, match="no layer 'conv'; did you mean 'backbone/conv'"):
        activations(model, IMAGES, layers=["conv"])


@keras.saving.register_keras_serializable()
class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(5, "relu", name="hidden")
        self.block = keras.Sequential([layers.Dense(4, name="inside")], name="block")

    def call(self, x):
        return self.block(self.hidden(x) + 1)


def test_a_subclassed_model():
    model = Subclassed()
    model(X[:2])
    taken = activations(model, X, batch_size=17)
    assert list(taken) == ["hidden", "block/inside"]
    close(taken["hidden"], numpy(model.hidden(X)))
    close(taken["block/inside"], numpy(model(X)))


@pytest.mark.parametrize("model", [Subclassed, lambda: keras.Sequential([layers.Dense(4)])])
def test_a_model_that_is_not_built_stays_so(model):
    made = model()
    with pytest.raises(errors.ParameterError, match=r"model_b \(\w+ '\w+'\) is not built.*keras\.Input"):
        compare(lambda batch: {"x": batch}, made, X)
    assert not made.built
    assert not made.weights


def test_several_inputs():
    left, right = keras.Input((8,), name="left"), keras.Input((8,), name="right")
    model = keras.Model([left, right], layers.Add(name="sum")([layers.Dense(4)(left), layers.Dense(4)(right)]))
    right_answer = numpy(model([X, X[::-1]]))
    for images in (
        {"left": X, "right": X[::-1]},
        (X, X[::-1]),
        [(({"left": X, "right": X[::-1]}), "labels")],
    ):
        close(activations(model, images, layers="sum", batch_size=17)["sum"], right_answer)


def test_sequences():
    model = keras.Sequential([keras.Input((7, 5)), layers.LSTM(4, return_sequences=True, name="lstm")])
    x = np.random.default_rng(2).normal(size=(20, 7, 5)).astype(np.float32)
    with pytest.raises(
        errors.DimensionError, match=r"^layer 'lstm' of model has activations of shape \(20, 7, 4\); pool="
    ):
        activations(model, x)
    close(activations(model, x, pool="last", batch_size=6)["lstm"], numpy(model(x))[:, -1])
    states = keras.Input((7, 5))
    model = keras.Model(states, layers.LSTM(4, return_state=True, name="lstm")(states))
    assert list(activations(model, x)) == ["lstm[0]", "lstm[1]", "lstm[2]"]


def test_layers_made_of_layers_can_be_named():
    given = keras.Input((7, 8))
    model = keras.Model(given, layers.MultiHeadAttention(2, 4, name="attention")(given, given))
    x = np.random.default_rng(2).normal(size=(20, 7, 8)).astype(np.float32)
    assert list(activations(model, x, pool="mean")) == ["attention"]
    taken = activations(model, x, layers="attention/query", pool=lambda h: h[:, 0, 0])
    assert taken["attention/query"].shape == (20, 4)


def test_half_precision_is_kept(tmp_path):
    given = keras.Input((8,))
    model = keras.Model(given, layers.Dense(4, dtype="mixed_bfloat16", name="half")(given))
    here = activations(model, X, layers="half")["half"]
    assert here.dtype.name == "bfloat16"
    there = activations(model, X, layers="half", to=tmp_path)["half"][:]
    assert there.dtype == here.dtype
    np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("name", ["tf.data", "PyDataset", "TensorFlow"])
def test_loaders_of_keras(name):
    tf = pytest.importorskip("tensorflow")

    class Dataset(keras.utils.PyDataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return X[15 * i : 15 * (i + 1)], i

    loaders = {
        "tf.data": lambda: tf.data.Dataset.from_tensor_slices((X, X[:, 0])).batch(13),
        "PyDataset": Dataset,
        "TensorFlow": lambda: tf.constant(X),
    }
    model = keras.Sequential([keras.Input((8,)), layers.Dense(4, name="dense")])
    close(activations(model, loaders[name]())["dense"], numpy(model(X)))


def test_a_layer_fails():
    model, backbone = with_a_backbone()
    with pytest.raises(Exception, match="shape"):
        activations(model, IMAGES[:, :2])
    assert not any("call" in vars(layer) for layer in [*model.layers, *backbone.layers])


def test_keras_beside_pytorch():
    torch = pytest.importorskip("torch")
    keras_model = keras.Sequential([keras.Input((8,)), layers.Dense(4, name="dense")])
    torch_model = torch.nn.Sequential(torch.nn.Linear(8, 4)).eval()
    kernel, bias = keras_model.get_weights()
    with torch.no_grad():
        torch_model[0].weight[:] = torch.tensor(kernel.T)
        torch_model[0].bias[:] = torch.tensor(bias)
    for images in (X, torch.tensor(X)):
        assert compare(keras_model, torch_model, images).values[0, 0] == pytest.approx(1, abs=1e-6)


def test_two_layers_of_one_name():
    class Model(keras.Model):
        def __init__(self):
            super().__init__()
            self.first, self.second = layers.Dense(5, name="dense"), layers.Dense(4, name="dense")

        def call(self, x):
            return self.second(self.first(x))

    model = Model()
    model(X)
    taken = activations(model, X)
    assert {name: rows.shape[1] for name, rows in taken.items()} == {"dense": 5, "dense (2)": 4}


def test_a_model_that_is_compiled_into_a_graph():
    """Whether it was traced before or not: inside a graph layers give no values."""
    import tensorflow as tf

    class Compiled(keras.Model):
        def __init__(self):
            super().__init__()
            self.first = layers.Dense(3, activation="relu", name="first")

        @tf.function
        def call(self, x):
            return 2 * self.first(x)

    model = Compiled()
    model(X[:2])
    close(activations(model, X, layers="first", batch_size=17)["first"], numpy(model.first(X)))
    assert not tf.config.functions_run_eagerly()


def test_a_layer_that_is_used_inside_a_nested_model_and_outside():
    inner, given, shared = keras.Input((8,)), keras.Input((8,)), layers.Dense(8, "tanh", name="shared")
    backbone = keras.Model(inner, shared(inner), name="backbone")
    model = keras.Model(given, backbone(shared(given)))
    right = {"shared": numpy(shared(X)), "shared#2": numpy(model(X))}
    for chosen in (None, "*shared", list(right)):
        taken = activations(model, X, layers=chosen, batch_size=17)
        assert list(taken) == list(right)
        for name, rows in right.items():
            close(taken[name], rows)
    with pytest.raises(
        errors.ParameterError, match="layer 'backbone/shared' of model is called several times, as 'sha"
    ):
        activations(model, X, layers="backbone/shared")


def test_states_are_put_back():
    model = keras.Sequential([keras.Input((7, 5), batch_size=5), layers.LSTM(4, stateful=True, name="lstm")])
    x = np.random.default_rng(2).normal(size=(20, 7, 5)).astype(np.float32)
    model(x[:5])
    before = [np.array(state) for state in model.layers[0].states]
    taken = activations(model, x, batch_size=5)["lstm"]
    np.testing.assert_array_equal(np.array(model.layers[0].states), before)
    assert np.all(before)
    close(taken, np.concatenate([numpy(model(x[start : start + 5])) for start in range(0, 20, 5)]))


def test_a_variable_that_is_not_trained_is_put_back():
    class Counts(layers.Layer):
        def build(self, shape):
            self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

        def call(self, x):
            self.calls.assign_add(1.0)
            return x + self.calls

    model = keras.Sequential([keras.Input((8,)), Counts(name="counts")])
    close(activations(model, X, batch_size=30)["counts"], X + np.repeat([[1], [2]], 30, axis=0))
    assert float(model.layers[0].calls) == 0


def test_a_folder_of_bfloat16_is_read_as_it_was_given_back(tmp_path):
    model = keras.Sequential([keras.Input((8,)), layers.Dense(4, dtype="mixed_bfloat16", name="half")])
    given, right = activations(model, X, to=tmp_path, batch_size=17)["half"], activations(model, X)["half"]
    for rows in (given[:], read_folder(tmp_path)["half"][:]):
        assert rows.dtype == right.dtype
        np.testing.assert_array_equal(rows, right)


def test_a_named_tuple_of_inputs():
    left, right = keras.Input((8,)), keras.Input((8,))
    model = keras.Model([left, right], layers.Subtract(name="less")([left, right]))
    pair = collections.namedtuple("Pair", ["left", "right"])(X, X[::-1])
    close(activations(model, pair, batch_size=17)["less"], X - X[::-1])
