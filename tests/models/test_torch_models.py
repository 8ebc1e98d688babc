"""Activations of PyTorch modules against those taken by hand, and what bad input gets."""

import collections
import dataclasses

import numpy as np
import pytest

import repsim
from repsim import activations, compare, errors
from repsim.alignment import alignment
from repsim.pool import pool
from repsim.tapping.stores import read_folder

torch = pytest.importorskip("torch", reason="PyTorch is not installed; the lock file leaves it out")
import repsim.torch  # noqa: E402

nn = torch.nn
pytestmark = pytest.mark.torch
IMAGES = torch.randn(50, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def convolutions():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Flatten()).eval()


def hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


def test_a_relu_in_place_does_not_reach_what_was_taken_before():
    model = convolutions()
    taken = repsim.torch.activations(model, IMAGES, layers=["1", "2"], batch_size=16)
    with torch.no_grad():
        normalised = model[1](model[0](IMAGES))
        torch.testing.assert_close(taken["1"], normalised)
        torch.testing.assert_close(taken["2"], normalised.relu())
    value = compare(model, model, IMAGES, layers=["1", "2"]).values[0, 1]
    assert value == pytest.approx(repsim.cka(normalised, normalised.relu()), abs=1e-6)
    assert value < 0.99


def test_a_relu_in_place_that_comes_first_does_not_reach_the_inputs():
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(192, 4)).eval()
    images = IMAGES.clone()
    for given in (images, [images], {"input": images}):
        taken = compare(model, nn.Sequential(nn.Flatten()).eval(), given, layers="2", layers_b="0")
        torch.testing.assert_close(images, IMAGES)
        right = repsim.cka(model[2](IMAGES.relu().flatten(1)).detach(), IMAGES.flatten(1))
        assert taken.values[0, 0] == pytest.approx(right, abs=1e-6)


class Repeated(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.relu = nn.ReLU(inplace=True)
        self.alias = self.linear

    def forward(self, x):
        x = self.relu(self.linear(x))
        return self.relu(self.linear(-x))


def test_a_module_that_is_called_twice():
    model, x = Repeated().eval(), torch.randn(20, 6)
    taken = repsim.torch.activations(model, x, batch_size=7)
    assert list(taken) == ["linear", "relu", "linear#2", "relu#2"]
    with torch.no_grad():
        first = model.linear(x).relu()
        torch.testing.assert_close(taken["relu"], first)
        torch.testing.assert_close(taken["linear#2"], model.linear(-first))
    assert list(repsim.torch.activations(model, x, layers=["relu#2", "linear"])) == ["relu#2", "linear", "linear#2"]
    with pytest.raises(errors.ParameterError, match=r"layer 'relu#3' of model gave no array; 'relu' was called 2 time"):
        activations(model, x, layers=["relu#3"])


class Parts(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 4, batch_first=True)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        h, _ = self.lstm(x)
        return self.attention(h, h, h, need_weights=False)


def test_outputs_that_are_tuples():
    model, x = Parts().eval(), torch.randn(20, 7, 5)
    taken = repsim.torch.activations(model, x, layers=["lstm[0]", "attention"], pool="last", batch_size=6)
    assert list(taken) == ["lstm[0]", "attention"]  # its weights are None, so that its output is one array
    with torch.no_grad():
        h, (last, _) = model.lstm(x)
    torch.testing.assert_close(taken["lstm[0]"], h[:, -1])
    torch.testing.assert_close(taken["lstm[0]"], last[0])
    with pytest.raises(
        errors.ShapeMismatchError, match=r"layer 'lstm\[1\]\[0\]' of model gave 1 row\(s\) of states for 20 input"
    ):
        activations(model, x, layers=["lstm"], pool="last")
    with pytest.raises(errors.ParameterError, match="layer 'unused' of model was not called"):
        activations(model, x, layers=["lstm[0]", "unused"], pool="mean")


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.inside = Inside()

    def forward(self, x):
        return self.inside(x)["twice"]


class Inside(nn.Module):
    def forward(self, x):
        return {"once": x, "twice": 2 * x, "step": 3}


@dataclasses.dataclass
class Output:
    hidden: torch.Tensor
    layers: int = 1


class WithOutput(nn.Module):
    def __init__(self):
        super().__init__()
        self.inside = Wrapped()

    def forward(self, x):
        return self.inside(x).hidden


class Wrapped(nn.Module):
    def forward(self, x):
        return Output(3 * x)


def test_outputs_that_are_data_classes():
    taken = repsim.torch.activations(WithOutput().eval(), torch.eye(3), layers="inside")
    torch.testing.assert_close(taken, {"inside": 3 * torch.eye(3)})


def test_a_layer_whose_weights_are_made_from_others():
    normalised = nn.utils.parametrizations.weight_norm(nn.Linear(6, 20))
    model, x = nn.Sequential(normalised, nn.ReLU()).eval(), torch.randn(20, 6)
    taken = repsim.torch.activations(model, x)  # the weights have as many rows as there are inputs
    assert list(taken) == ["0", "1"]
    torch.testing.assert_close(taken["0"], normalised(x).detach())


def test_outputs_that_are_mappings():
    taken = repsim.torch.activations(Named().eval(), torch.eye(3), layers="inside")
    assert list(taken) == ["inside[once]", "inside[twice]"]
    torch.testing.assert_close(taken["inside[twice]"], 2 * torch.eye(3))


def rank_five(dtype):
    x = torch.randn(64, 5) @ torch.randn(5, 64)
    return x.to(dtype), nn.Sequential(nn.Identity(), nn.Tanh()).to(dtype).eval()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_the_stored_precision_is_kept(dtype, tmp_path):
    x, model = rank_five(dtype)
    taken = repsim.torch.activations(model, x, layers="0", batch_size=10)["0"]
    assert taken.dtype == dtype
    torch.testing.assert_close(taken, x)
    z = np.random.default_rng(0).normal(size=(64, 3))
    right = repsim.pairwise([x], [z], index="cca_r2")
    for to in (None, tmp_path):
        found = compare(model, {"z": z}, x, layers="0", layers_b="z", index="cca_r2", to=to, batch_size=10)
        np.testing.assert_allclose(found.values, right, rtol=1e-12)
    np.testing.assert_allclose(compare(read_folder(tmp_path / "a"), {"z": z}, index="cca_r2").values, right, rtol=1e-5)


@pytest.mark.parametrize("library", ["torch", "ml_dtypes"])
def test_a_folder_of_bfloat16_is_read_as_it_was_given_back(tmp_path, library, monkeypatch):
    if library == "torch":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    else:
        pytest.importorskip("ml_dtypes")
    x = torch.randn(20, 3, 4, 5).bfloat16()
    given = repsim.torch.activations(nn.Identity().eval(), x.transpose(1, 3), to=tmp_path, batch_size=7)["Identity"]
    read = read_folder(tmp_path)["Identity"]
    assert isinstance(read[:], torch.Tensor) == (library == "torch")
    for rows in (given[:], read[:]):
        assert str(rows.dtype).removeprefix("torch.") == "bfloat16"
        whole = rows.float() if isinstance(rows, torch.Tensor) else rows.astype(np.float32)
        np.testing.assert_array_equal(whole, x.transpose(1, 3).float())
    assert np.load(tmp_path / "Identity.npy").dtype.names == ("bfloat16",)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_inputs_come_in_the_precision_of_the_model(dtype):
    model = convolutions().to(dtype)
    with torch.no_grad():
        right = model(IMAGES.to(dtype))
    for images in (IMAGES, IMAGES.numpy(), torch.utils.data.DataLoader(Pairs(), batch_size=50)):
        taken = repsim.torch.activations(model, images, layers="3")["3"]
        assert taken.dtype == dtype
        torch.testing.assert_close(taken, right)


def test_files_are_maps_of_what_is_otherwise_in_memory(tmp_path):
    model = convolutions()
    here = activations(model, IMAGES)
    there = activations(model, IMAGES, to=tmp_path, batch_size=7)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.npy", "1.npy", "2.npy", "3.npy"]
    for name, rows in there.items():
        assert isinstance(rows, np.memmap)
        np.testing.assert_allclose(rows, here[name], rtol=1e-5, atol=1e-6)


def test_files_that_are_not_finished_do_not_stay(tmp_path):
    with pytest.raises(RuntimeError):
        activations(convolutions(), iter([IMAGES, IMAGES[:, :2]]), to=tmp_path)
    assert not list(tmp_path.iterdir())


class Mixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
        self.frozen = nn.BatchNorm1d(4).eval()

    def forward(self, x):
        return self.frozen(self.body(x))


def test_the_mode_is_put_back_and_training_mode_is_said():
    model, x = Mixed(), torch.randn(30, 4)
    before = {name: module.training for name, module in model.named_modules()}
    assert before["body"]
    assert not before["frozen"]
    state = {name: values.clone() for name, values in model.state_dict().items()}
    with pytest.warns(UserWarning, match="model is in training mode"):
        taken = repsim.torch.activations(model, x, layers="body.*")
    torch.testing.assert_close(taken["body.0"], taken["body.1"])  # dropout is off
    assert {name: module.training for name, module in model.named_modules()} == before
    assert hooks(model) == 0
    torch.testing.assert_close(model.state_dict(), state)
    model.eval().body[1].train()  # dropout left on
    with pytest.warns(UserWarning, match=r"training mode in 'body\.1'"):
        activations(model, x)
    assert model.body[1].training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_hooks_and_mode_go_back_when_the_model_fails():
    model = Mixed()
    with pytest.warns(UserWarning, match="training mode"), pytest.raises(RuntimeError):
        activations(model, torch.randn(8, 5))
    assert hooks(model) == 0
    assert model.training
    assert not model.frozen.training


def test_models_that_share_modules():
    backbone = nn.Linear(6, 5)
    first = nn.Sequential(backbone, nn.Tanh()).eval()
    second = nn.Sequential(nn.Linear(6, 6), backbone).eval()
    x = torch.randn(40, 6)
    found = compare(first, second, x, layers="0", layers_b="1")
    with torch.no_grad():
        assert found.values[0, 0] == pytest.approx(repsim.cka(backbone(x), second(x)), abs=1e-6)
    assert found.values[0, 0] < 0.99


def test_which_layers():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 3))).eval()
    assert repsim.torch.layers(model) == ["0", "1", "1.0", "1.1"]
    assert repsim.torch.layers(model, nn.Conv2d) == ["0", "1.1"]
    assert repsim.torch.layers(model, (nn.ReLU, nn.Conv2d)) == ["0", "1.0", "1.1"]
    assert repsim.torch.layers(model, "1.?") == ["1.0", "1.1"]
    assert repsim.torch.layers(model, ["1.1", "0", "1.*"]) == ["1.1", "0", "1.0"]
    assert list(activations(model, IMAGES)) == ["0", "1.0", "1.1"]
    with pytest.raises(
        errors.ParameterError, match=r"model has no layer '1\.2'; did you mean '1\.\d' or '1\.\d'\? It has 0"
    ):
        repsim.torch.layers(model, "1.2")
    with pytest.raises(errors.ParameterError, match="layers of model: 3 is given; a name, a pattern"):
        activations(model, IMAGES, layers=3)
    with pytest.raises(errors.ParameterError, match="no layer of model was chosen"):
        activations(model, IMAGES, layers=nn.LSTM)
    assert list(repsim.torch.activations(nn.Linear(3, 2).eval(), torch.eye(3))) == ["Linear"]


class Pairs(torch.utils.data.Dataset):
    def __len__(self):
        return 50

    def __getitem__(self, i):
        return IMAGES[i], i % 10


class Unsized:
    """A loader that does not say how many batches there are."""

    def __iter__(self):
        return iter([(IMAGES[:20], 0), (IMAGES[20:], 0)])


@pytest.mark.parametrize(
    "images",
    [
        lambda: IMAGES.numpy(),
        lambda: IMAGES.numpy().astype(np.float64),
        Pairs,
        Unsized,
        lambda: torch.utils.data.DataLoader(Pairs(), batch_size=8),
        lambda: [IMAGES[:20], IMAGES[20:]],
        lambda: (batch for batch in IMAGES.split(9)),
        lambda: ((batch, None) for batch in IMAGES.split(9)),
        lambda: ({"input": batch} for batch in IMAGES.split(9)),
        lambda: {"input": IMAGES},
    ],
)
def test_loaders_and_arrays_of_every_sort(images):
    model = convolutions()
    taken = activations(model, images(), layers="3", batch_size=16)["3"]
    with torch.no_grad():
        np.testing.assert_allclose(taken, model(IMAGES), rtol=1e-5, atol=1e-6)


def test_a_loader_that_gives_less_or_more_than_it_says():
    """Room is made for what a loader promises; what it gives is what counts."""

    class Promises(list):
        batch_size, dataset = 25, range(50)

    model = convolutions()
    for batches, right in (([IMAGES[:20]], IMAGES[:20]), ([IMAGES, IMAGES[:30]], torch.cat([IMAGES, IMAGES[:30]]))):
        taken = repsim.torch.activations(model, Promises(batches), layers="1")["1"]
        with torch.no_grad():
            torch.testing.assert_close(taken, model[1](model[0](right)))


def test_a_loader_that_breaks_off():
    def broken():
        yield IMAGES[:20]
        raise OSError("the disk is gone")

    model = convolutions()
    with pytest.raises(OSError, match="the disk is gone"):
        compare(model, convolutions(), broken())
    assert hooks(model) == 0


def test_two_loaders_at_once():
    loader = torch.utils.data.DataLoader(Pairs(), batch_size=8)
    with pytest.raises(errors.ParameterError, match="images holds a DataLoader; a mapping or tuple is of arrays"):
        compare(convolutions(), convolutions(), (loader, loader))


def test_both_models_see_the_same_batches_of_a_loader_that_shuffles():
    a, b = convolutions(), convolutions()
    loader = torch.utils.data.DataLoader(Pairs(), batch_size=8, shuffle=True)
    found = compare(a, b, loader, layers="2")
    np.testing.assert_allclose(found.values, compare(a, b, IMAGES, layers="2").values, rtol=1e-6)


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.sum = nn.Bilinear(3, 3, 4)

    def forward(self, left, right):
        return self.sum(left, right)


def test_several_inputs():
    model, left, right = Two().eval(), torch.randn(20, 3), torch.randn(20, 3)
    with torch.no_grad():
        right_answer = model(left, right)
    for images in ((left, right), {"left": left, "right": right}, [((left, right), "labels")]):
        torch.testing.assert_close(repsim.torch.activations(model, images)["sum"], right_answer)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(left, right, left), batch_size=6)
    taken = repsim.torch.activations(model, loader, inputs=lambda batch: (batch[0], batch[1]))
    torch.testing.assert_close(taken["sum"], right_answer)
    with pytest.raises(errors.ShapeMismatchError, match="different numbers of examples: 'left' 20, 'right' 19"):
        activations(model, {"left": left, "right": right[:19]})
    with pytest.raises(errors.ParameterError, match="inputs is 'left'; a function"):
        activations(model, loader, inputs="left")


def test_an_input_that_the_model_does_not_take():
    batch = {"left": torch.randn(20, 3), "right": torch.randn(20, 3), "label": torch.zeros(20)}
    with pytest.raises(errors.ParameterError, match="model takes no 'label', which the batch has; say with inputs="):
        activations(Two().eval(), batch)
    chosen = activations(Two().eval(), batch, inputs=lambda given: {k: given[k] for k in ("left", "right")})
    assert chosen["sum"].shape == (20, 4)


def test_a_loader_that_draws_a_few():
    """The data set is far larger than what memory has room for."""

    class Huge(torch.utils.data.Dataset):
        def __len__(self):
            return 10**12

        def __getitem__(self, i):
            return IMAGES[i % 50]

    loader = torch.utils.data.DataLoader(Huge(), batch_size=4, sampler=range(10))
    assert len(activations(convolutions(), loader, layers="0")["0"]) == 10


class Tokens(nn.Module):
    """A transformer's layer that leaves out padding as a tokenizer marks it."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 8)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, input_ids, attention_mask):
        return self.layer(self.embedding(input_ids), src_key_padding_mask=attention_mask == 0)


def sentences():
    lengths = torch.tensor([3, 5, 4, 7, 2, 7, 6, 5])
    ids = torch.randint(0, 50, (8, 7))
    return ids, (torch.arange(7) < lengths[:, None]).long(), lengths


@pytest.mark.filterwarnings("ignore:.*nested tensor.*")
@pytest.mark.parametrize("how", ["mean", "first", "last", "tokens"])
def test_padded_batches_of_other_lengths_are_as_each_sentence_alone(how):
    model = Tokens().eval()
    ids, mask, lengths = sentences()
    batches = [
        {"input_ids": ids[s, :w], "attention_mask": mask[s, :w]} for s, w in ((slice(0, 3), 5), (slice(3, 8), 7))
    ]
    taken = repsim.torch.activations(model, batches, layers="embedding", pool=how)["embedding"]
    with torch.no_grad():
        alone = [model.embedding(row[:n]) for row, n in zip(ids, lengths, strict=True)]
    pooled = {
        "mean": lambda h: h.mean(0, keepdim=True),
        "first": lambda h: h[:1],
        "last": lambda h: h[-1:],
        "tokens": lambda h: h,
    }[how]
    torch.testing.assert_close(taken, torch.cat([pooled(h) for h in alone]))


def test_tokens_without_a_word_about_pooling():
    model = Tokens().eval()
    ids, mask, _ = sentences()
    batch = {"input_ids": ids, "attention_mask": mask}
    with pytest.raises(
        errors.DimensionError, match=r"layer 'embedding' of model has .*\(8, 7, 8\); pool= says .*'mean'"
    ):
        activations(model, batch, layers="embedding")
    with pytest.raises(errors.ParameterError, match="'flatten' and layer 'embedding' of model has padding"):
        activations(model, batch, layers="embedding", pool="flatten")
    with pytest.raises(errors.ShapeMismatchError, match=r"'embedding' of model has rows of shape \(40,\) in one batch"):
        activations(Renamed(model.embedding), [ids[:, :5], ids], pool="flatten")
    with pytest.raises(errors.ParameterError, match="pool is 'men'"):
        activations(model, batch, pool="men")


class Renamed(nn.Module):
    def __init__(self, embedding):
        super().__init__()
        self.embedding = embedding
        self.eval()

    def forward(self, x):
        return self.embedding(x)


def test_a_mask_of_ones_own():
    model = Renamed(nn.Embedding(50, 8))
    ids, mask, _ = sentences()
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(ids, mask), batch_size=3)
    taken = repsim.torch.activations(model, loader, pool="tokens", mask=lambda batch: batch[1])["embedding"]
    torch.testing.assert_close(taken, model.embedding(ids)[mask.bool()].detach())


def test_rows_are_counted():
    class Mean(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = nn.Linear(4, 4)

        def forward(self, x):
            return self.inside(x.mean(0, keepdim=True).expand(3, -1))

    with pytest.raises(errors.ShapeMismatchError, match=r"layer 'inside' of model_a gave 3 row\(s\) for 40 input\(s\)"):
        compare(Mean().eval(), Mean().eval(), torch.randn(40, 4), layers="inside")
    with pytest.raises(errors.ParameterError, match="no layer of model gave an array with a row for each of 40 inputs"):
        activations(Mean().eval(), torch.randn(40, 4))
    with pytest.raises(errors.ShapeMismatchError, match=r"pool returned 1 row\(s\) of layer '0'"):
        activations(convolutions(), IMAGES, layers="0", pool=lambda h: h.mean(0, keepdim=True))


def test_a_layer_for_some_batches_only():
    class Sometimes(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            return self.b(self.a(x)) if len(x) > 4 else self.a(x)

    x = torch.randn(10, 3)
    with pytest.raises(errors.ShapeMismatchError, match="layer 'b' of model gave rows for some batches only"):
        activations(Sometimes().eval(), x, batch_size=8)
    with pytest.raises(errors.ShapeMismatchError, match="layer 'b' of model gave nothing for the first batch"):
        activations(Sometimes().eval(), [x[:4], x[4:]])


def test_space():
    model = convolutions()
    taken = repsim.torch.activations(model, IMAGES, layers=["0", "3"], pool="space")
    with torch.no_grad():
        torch.testing.assert_close(taken["0"], model[0](IMAGES).mean((2, 3)))
    assert taken["3"].shape == (50, 4 * 36)  # two dimensions stay


def test_what_has_not_been_initialised_stays_so():
    model = nn.Sequential(nn.LazyLinear(4)).eval()
    with pytest.raises(errors.ParameterError, match="model has lazy modules"):
        activations(model, IMAGES)
    assert torch.nn.parameter.is_lazy(model[0].weight)


def test_device_and_what_is_no_model(tmp_path):
    model = convolutions()
    taken = repsim.torch.activations(model, IMAGES, layers="1", device="cpu", batch_size=16)["1"]
    torch.testing.assert_close(taken, repsim.torch.activations(model, IMAGES, layers="1")["1"])
    with pytest.raises(errors.ParameterError, match="to and device"):
        repsim.torch.activations(model, IMAGES, device="cpu", to=tmp_path)
    with pytest.raises(errors.ParameterError, match="model is a int"):
        repsim.torch.activations(3, IMAGES)
    with pytest.raises(errors.ParameterError, match="model_b is a type; a PyTorch module"):
        compare(model, nn.Linear, IMAGES)
    with pytest.raises(errors.ParameterError, match="images is a str; an array"):
        activations(model, "images")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU that PyTorch can use")
def test_a_model_on_a_gpu(tmp_path):
    model = convolutions()
    here = repsim.torch.activations(model, IMAGES, batch_size=16)
    model.cuda()
    there = repsim.torch.activations(model, IMAGES, batch_size=16, device="cuda")
    brought = repsim.torch.activations(model, IMAGES.numpy(), batch_size=16)
    written = repsim.torch.activations(model, IMAGES, batch_size=16, to=tmp_path)
    for name, rows in here.items():
        assert there[name].device.type == "cuda"
        assert brought[name].device.type == "cpu"
        for found in (there[name].cpu(), brought[name], torch.tensor(np.array(written[name]))):
            torch.testing.assert_close(found, rows, rtol=1e-2, atol=1e-3)  # its convolutions may round to 10 bits
    half = repsim.torch.activations(model.bfloat16(), IMAGES.bfloat16(), layers="2", device="cuda")["2"]
    assert half.dtype == torch.bfloat16
    assert compare(model, model, IMAGES.bfloat16(), layers="2").values[0, 0] == pytest.approx(1)
    x, y = (torch.randn(64, 20, device="cuda", requires_grad=True) for _ in range(2))
    for debiased in (False, True):
        value = alignment(x, y, debiased=debiased)
        value.backward()
        assert value.device.type == "cuda"
        assert float(value) == pytest.approx(
            repsim.cka(x.detach().cpu(), y.detach().cpu(), debiased=debiased), abs=1e-6
        )
    h, mask = torch.randn(4, 6, 3, device="cuda"), torch.ones(4, 6)
    mask[:, 4:] = 0
    torch.testing.assert_close(pool(h, "last", mask), h[:, 3])


class Twice(nn.Module):
    """Two layers, each called twice."""

    def __init__(self):
        super().__init__()
        self.linear, self.relu = nn.Linear(6, 6), nn.ReLU()

    def forward(self, x):
        return self.relu(self.linear(self.relu(self.linear(x))))


def test_names_that_were_given_back_can_be_asked_for():
    model, x = Twice().eval(), torch.randn(20, 6)
    every = repsim.torch.activations(model, x)
    assert list(every) == ["linear", "relu", "linear#2", "relu#2"]
    for chosen in (list(every), ["relu", "relu#2"], ["relu#2", "relu"]):
        again = repsim.torch.activations(model, x, layers=chosen)
        assert list(again) == chosen
        for name in chosen:
            torch.testing.assert_close(again[name], every[name])
    assert list(activations(lambda b: {"a": b, "a#2": 2 * b, "a[0]": 3 * b}, x)) == ["a", "a#2", "a[0]"]


def test_a_pattern_goes_with_a_part():
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(nn.LSTM(4, 4, batch_first=True) for _ in range(2))

        def forward(self, x):
            for block in self.blocks:
                x, _ = block(x)
            return x

    taken = repsim.torch.activations(Recurrent().eval(), torch.randn(9, 5, 4), layers="blocks.?[0]", pool="last")
    assert {name: tuple(rows.shape) for name, rows in taken.items()} == {"blocks.0[0]": (9, 4), "blocks.1[0]": (9, 4)}


def test_tensors_that_functions_give_have_their_channels_first():
    convolution = nn.Conv2d(3, 5, 3).eval()
    with torch.no_grad():
        right = convolution(IMAGES).mean(dim=(2, 3))
    taken = activations(lambda b: {"c": convolution(b).detach()}, IMAGES, pool="space")["c"]
    np.testing.assert_allclose(taken, right, rtol=1e-5, atol=1e-6)
    held = {"c": convolution(IMAGES).detach()}
    assert compare(convolution, held, IMAGES, pool="space").values == pytest.approx(1)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.out = nn.Embedding(50, 8), nn.Linear(8, 8)

    def forward(self, input_ids, attention_mask, decoder_input_ids, decoder_attention_mask):
        return self.out(self.embedding(decoder_input_ids))


def test_of_two_masks_one_has_to_be_chosen():
    ids = torch.randint(0, 50, (6, 4))
    first, second = torch.tensor([[1, 1, 0, 0]] * 6), torch.tensor([[1, 1, 1, 1]] * 6)
    batch = {"input_ids": ids, "attention_mask": first, "decoder_input_ids": ids, "decoder_attention_mask": second}
    model = Decoder().eval()
    with pytest.raises(errors.ParameterError, match="attention_mask and decoder_attention_mask; say with mask="):
        repsim.torch.activations(model, batch, layers="out", pool="mean")
    taken = repsim.torch.activations(
        model, batch, layers="out", pool="mean", mask=lambda batch: batch["decoder_attention_mask"]
    )
    with torch.no_grad():
        torch.testing.assert_close(taken["out"], model.out(model.embedding(ids)).mean(dim=1))


def test_activations_that_are_there_are_pooled_by_the_mask_too():
    tokens = torch.randn(20, 5, 3)
    mask = torch.arange(5)[None] < torch.randint(2, 5, (20, 1))
    tokens[~mask] = 9
    found = compare(lambda b: {"h": b}, {"h": tokens}, tokens, pool="mean", mask=lambda b: mask, batch_size=20)
    assert found.values == pytest.approx(1)
    parts = (tokens[:10], mask[:10]), (tokens[10:, :4], mask[10:, :4])
    ragged = [{"x": h, "attention_mask": m} for h, m in parts]
    with pytest.raises(errors.ParameterError, match="batches are padded to different lengths"):
        compare(lambda b: {"h": b["x"]}, {"h": tokens}, ragged, pool="mean")
    with pytest.raises(errors.ParameterError, match="mask is a function of batches, and no model is run"):
        compare({"h": tokens}, {"h": tokens}, pool="mean", mask=lambda b: mask)


def test_tokens_that_a_layer_has_as_rows_are_left_out_by_the_mask():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.pooler = nn.Linear(6, 5), nn.Linear(5, 2)

        def forward(self, x):
            h = self.linear(x.reshape(-1, 6)).reshape(*x.shape[:2], 5)
            return self.pooler(h.mean(dim=1))

    model, x = Flat().eval(), torch.randn(12, 6, 6)
    mask = torch.arange(6).expand(12, 6) < 3
    taken = repsim.torch.activations(model, x, pool="tokens", mask=lambda b: mask[: len(b)])
    assert list(taken) == ["linear"]  # what has a row for each example is none of tokens
    with torch.no_grad():
        torch.testing.assert_close(taken["linear"], model.linear(x[mask]))


def test_texts_are_counted_and_are_one_argument():
    loader = torch.utils.data.DataLoader([(f"text {i}", 0) for i in range(60)], batch_size=8)
    average = lambda batch: {"x": np.ones((1, 4)) * len(batch)}  # noqa: E731
    with pytest.raises(errors.ShapeMismatchError, match="gave 1 row.* for 8 input"):
        compare(average, average, loader)

    class Lengths(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(1, 3)

        def forward(self, texts):
            return self.linear(torch.tensor([[float(len(text))] for text in texts]))

    assert repsim.torch.activations(Lengths().eval(), loader)["linear"].shape == (60, 3)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_padded_batches_of_an_encoder():
    """PyTorch makes nested tensors of them by itself."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2).eval()
    source, padding = torch.randn(4, 5, 8), torch.arange(5) >= torch.tensor([5, 4, 3, 2])[:, None]
    batch = {"src": source, "src_key_padding_mask": padding}
    taken = repsim.torch.activations(
        encoder, [batch], layers="layers.1", pool="mean", mask=lambda batch: ~batch["src_key_padding_mask"]
    )
    with torch.no_grad():
        right = encoder(source, src_key_padding_mask=padding)
    torch.testing.assert_close(taken["layers.1"], pool(right, "mean", ~padding), rtol=1e-4, atol=1e-5)


def test_a_layer_that_only_seemed_to_have_a_row_for_each_input_is_left_out():
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.position, self.out = nn.Embedding(50, 8), nn.Embedding(6, 8), nn.Linear(8, 8)

        def forward(self, x):
            return self.out(self.embedding(x) + self.position(torch.arange(6)))

    ids = torch.randint(0, 50, (9, 6))
    assert list(repsim.torch.activations(Positions().eval(), ids, pool="mean", batch_size=6)) == ["embedding", "out"]


def test_a_list_is_one_argument():
    class Stacked(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = nn.Conv2d(3, 4, 3)

        def forward(self, images):
            return self.convolution(torch.stack(images))

    loader = torch.utils.data.DataLoader(list(IMAGES[:10]), batch_size=5, collate_fn=list)
    taken = repsim.torch.activations(Stacked().eval(), loader, inputs=lambda batch: batch)
    assert taken["convolution"].shape == (10, 4, 6, 6)


@pytest.mark.parametrize("precise", [np.float32, np.float64])
def test_what_is_no_tensor_becomes_one(precise):
    pandas = pytest.importorskip("pandas")
    x = np.random.default_rng(0).normal(size=(20, 6)).astype(precise)
    model = nn.Sequential(nn.Linear(6, 5)).to(torch.from_numpy(x).dtype).eval()
    right = repsim.torch.activations(model, torch.from_numpy(x))["0"]
    for given in (pandas.DataFrame(x), {"input": x.tolist()}):
        torch.testing.assert_close(repsim.torch.activations(model, given)["0"], right, rtol=1e-6, atol=1e-6)
    with pytest.raises(errors.ParameterError, match="'input' of a batch holds lists of different lengths; pad them"):
        repsim.torch.activations(model, {"input": [[1.0, 2.0], [3.0]]})


class Merging(nn.Linear):
    """Changes its weights when its mode changes, as an adapter that is merged for evaluation does."""

    merged = False

    def train(self, mode=True):
        super().train(mode)
        if mode == self.merged:
            self.weight.data += -1 if mode else 1
            self.merged = not mode
        return self


@pytest.mark.filterwarnings("ignore:model is in training mode")
def test_a_module_that_does_more_when_its_mode_changes():
    model = nn.Sequential(Merging(6, 5), nn.Linear(5, 5).eval())
    weight = model[0].weight.clone()
    repsim.torch.activations(model, torch.randn(20, 6))
    assert (model[0].training, model[0].merged, model[1].training) == (True, False, False)
    torch.testing.assert_close(model[0].weight, weight, rtol=0, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scripted_modules_are_refused():
    model = nn.Sequential(nn.Linear(6, 5)).eval()
    for made in (torch.jit.script(model), torch.jit.trace(model, torch.randn(2, 6))):
        with pytest.raises(errors.ParameterError, match="model is scripted or traced"):
            repsim.torch.activations(made, torch.randn(20, 6))


def test_a_function_that_changes_its_batch_changes_no_others():
    x = torch.randn(64, 6)
    before = x.clone()
    found = compare(lambda b: {"x": torch.relu_(b)}, lambda b: {"y": b}, x).values
    assert found[0, 0] == pytest.approx(repsim.cka(torch.relu(before), before))
    torch.testing.assert_close(x, before)


def test_what_nobody_named_and_no_index_takes_is_left_out():
    @dataclasses.dataclass(slots=True)
    class Both:
        values: object
        mask: object

    class Mask(nn.Module):
        def forward(self, x):
            return Both(x, x > 0)

    model = nn.Sequential(nn.Linear(6, 5), Mask())
    taken = repsim.torch.activations(model.eval(), torch.randn(20, 6))
    assert list(taken) == ["0", "1[values]"]
    with pytest.raises(errors.DTypeError, match=r"layer '1\[mask\]' of model: .*dtype bool"):
        repsim.torch.activations(model, torch.randn(20, 6), layers="1[mask]")


@pytest.mark.parametrize("folder", [False, True])
def test_a_layer_of_two_precisions_is_refused(tmp_path, folder):
    given = [torch.ones(10, 3).half(), torch.full((10, 3), 1e6)]
    with pytest.raises(errors.DTypeError, match="layer 'x' of model: rows are float16 in one batch and float32 in"):
        activations(lambda b: {"x": b}, given, to=tmp_path if folder else None)


def test_of_one_layer_there_is_one_file(tmp_path):
    for name in ("a b", "a%20b"):
        np.save(tmp_path / f"{name}.npy", np.eye(3))
    with pytest.raises(errors.ParameterError, match=r"a b\.npy and a%20b\.npy are both of layer 'a b'; remove"):
        read_folder(tmp_path)


Pair = collections.namedtuple("Pair", ["left", "right"])
KINDS = {
    "UserDict": (lambda x: collections.UserDict(x=x), lambda batch: batch["x"]),
    "namedtuple": (lambda x: Pair(x, x), lambda batch: batch.right),
    "nested": (lambda x: {"inside": [Pair(x, x)]}, lambda batch: batch["inside"][0].left),
    "frame": (lambda x: pytest.importorskip("pandas").DataFrame(x), lambda batch: batch),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_function_that_changes_its_batch_changes_none_of_any_kind(kind):
    make, inside = KINDS[kind]
    x, seen = np.random.default_rng(0).normal(size=(20, 3)), []
    batch, before = make(x.copy()), x.copy()

    def changes(batch):
        inside(batch)[:] = 0
        return {"x": x}

    def looks(batch):
        seen.append(batch)
        return {"x": x}

    compare(changes, looks, [batch], inputs=lambda batch: batch)
    assert type(seen[0]) is type(batch)
    for given in (seen[0], batch):
        np.testing.assert_array_equal(inside(given), before)


def test_a_named_tuple_stays_one():
    class Inside(nn.Module):
        def __init__(self):
            super().__init__()
            self.sum = nn.Bilinear(3, 3, 4)

        def forward(self, pair):
            return self.sum(pair.left, pair.right)

    x, y, model = torch.randn(20, 3), torch.randn(20, 3), Inside().eval()
    taken = repsim.torch.activations(model, {"pair": Pair(x, y)}, batch_size=7)["sum"]
    torch.testing.assert_close(taken, model(Pair(x, y)).detach())
    np.testing.assert_array_equal(activations(lambda b: {"y": b.right}, Pair(x, y), batch_size=7)["y"], y)


def test_a_pool_that_changes_what_it_is_given_changes_nothing_else():
    model, x = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4)).eval(), torch.randn(20, 6)
    right = repsim.torch.activations(model, x, pool=lambda h: h + 1)
    taken = repsim.torch.activations(model, x, pool=lambda h: h.add_(1))
    torch.testing.assert_close(taken, right, rtol=0, atol=0)
    held = {"h": x.numpy().copy()}
    compare(held, held, pool=lambda h: np.multiply(h, 2, out=h))
    np.testing.assert_array_equal(held["h"], x)


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda b: {"a": (b, 2 * b), "a[0]": b**2}, r"a\[0\]"),
        (lambda b: {"a": {1: b, "1": b**2}}, r"a\[1\]"),
    ],
)
def test_two_outputs_of_one_name_are_refused(function, name):
    with pytest.raises(errors.ParameterError, match=f"model gave two outputs that are called '{name}'"):
        activations(function, np.eye(3))


@pytest.mark.parametrize("batch_size", [2, 5, 10])
def test_states_are_no_examples_however_many_there_are(batch_size):
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.gru = nn.LSTM(8, 6, 2, batch_first=True), nn.GRU(6, 6, 2, batch_first=True)

        def forward(self, x):
            return self.gru(self.lstm(x)[0])[0]

    model, x = Recurrent().eval(), torch.randn(10, 5, 8)
    assert list(activations(model, x, pool="last", batch_size=batch_size)) == ["lstm[0]", "gru[0]"]
    for name in ("lstm[1][0]", "gru[1]"):
        with pytest.raises(errors.ShapeMismatchError, match=r"gave 2 row\(s\) of states for"):
            activations(model, x, layers=name, pool="last", batch_size=batch_size)
    taken = repsim.torch.activations(model, x, layers="gru[1]", pool=lambda h: h[-1], batch_size=batch_size)["gru[1]"]
    torch.testing.assert_close(taken, model(x)[:, -1].detach())


@pytest.mark.parametrize("model", [np.eye(3), torch.eye(3), "a.npz", [1, 2]], ids=["array", "tensor", "name", "list"])
def test_what_is_no_model_is_said_before_that_there_are_no_images(model):
    what = {str: "'a.npz'", list: "a list"}.get(type(model), r"an array of shape \(3, 3\)")
    with pytest.raises(errors.ParameterError, match=f"model_a is {what}; a PyTorch module.*{{'layer': array}}"):
        compare(model, model)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"progress": "no"}, "progress is 'no'; True, False or a function"),
        ({"resume": 3}, "resume is 3; the path of a folder"),
        ({"to": 3}, "to is 3; the path of a folder"),
        ({"undefined": "no"}, "undefined is 'no'"),
        ({"chance": "no"}, "chance is 'no'"),
        ({"memory": "no"}, "memory is 'no'"),
    ],
)
def test_options_are_looked_at_before_the_models_run(options, said):
    runs = []
    with pytest.raises(errors.ParameterError, match=said):
        compare(runs.append, runs.append, np.eye(3), **options)
    assert not runs


def test_modules_of_mixed_precision_take_what_they_take_by_themselves():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale, self.body = nn.Parameter(torch.tensor(2.0)), nn.Linear(6, 5).half()

        def forward(self, x):
            return self.body(x)

    class Stem(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.stem = nn.Linear(6, 5).half(), nn.Linear(6, 6)

        def forward(self, x):
            return self.body(self.stem(x).half())

    x = torch.randn(20, 6)
    for model, given in ((Scaled(), x.half()), (Stem(), x)):
        taken = repsim.torch.activations(model.eval(), given, layers="body")["body"]
        torch.testing.assert_close(taken, model(given).detach(), rtol=0, atol=0)
    for given in (x, x.double()):  # which it does not take by itself
        assert repsim.torch.activations(Scaled().eval(), given)["body"].dtype == torch.float16
    normed = nn.Sequential(nn.Conv2d(3, 4, 3).half(), nn.BatchNorm2d(4)).eval()
    assert repsim.torch.activations(normed, IMAGES, layers="0")["0"].dtype == torch.float16


def test_rows_that_do_not_fit_into_memory_are_named():
    class Promises:
        batch_size, dataset = 10**12, range(10**15)

        def __len__(self):
            return 10**3

        def __iter__(self):
            return iter([IMAGES])

    with pytest.raises(MemoryError, match=r"layer '0' of model do not fit into memory; .*to=.*memory=.*pool="):
        activations(convolutions(), Promises())


def test_functions_may_give_frames_and_lists():
    pandas = pytest.importorskip("pandas")
    x = np.random.default_rng(0).normal(size=(20, 3))
    given = {"frame": pandas.DataFrame(x), "list": x.tolist(), "parts": [x, pandas.DataFrame(x)]}
    taken = activations(lambda b: given, x, batch_size=20)
    assert list(taken) == ["frame", "list", "parts[0]", "parts[1]"]
    for rows in taken.values():
        np.testing.assert_array_equal(rows, x)
    with pytest.raises(errors.DTypeError, match="layer 'a' of model has dtype"):
        activations(lambda b: {"a": pandas.DataFrame([["text"]] * 20)}, x)


class SharedEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(6, 6)
        self.head = nn.Sequential(nn.Tanh(), self.encoder)

    def forward(self, x):
        return self.head(self.encoder(x))


def test_a_module_of_two_names():
    model, x = SharedEncoder().eval(), torch.randn(20, 6)
    right = {"encoder": model.encoder(x).detach(), "encoder#2": model(x).detach()}
    for layers in (None, "*", nn.Linear, ["encoder", "encoder#2"]):
        taken = repsim.torch.activations(model, x, layers=layers)
        assert [name for name in taken if not name.startswith("head")] == list(right)
        for name, rows in right.items():
            torch.testing.assert_close(taken[name], rows)
    for name in ("head.1", "head.*"):
        with pytest.raises(
            errors.ParameterError, match=r"layer 'head\.1' of model is called several times, as 'encoder'"
        ):
            activations(model, x, layers=name)
    assert list(activations(nn.Sequential(model.head).eval(), x, layers="0.1")) == ["0.1"]


def test_buffers_are_put_back_with_what_is_said_of_them():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.length = nn.Linear(6, 5), 1
            for name in ("changed", "replaced", "cached", "untouched"):
                self.register_buffer(name, torch.zeros(1))
            self.register_buffer("sparse", torch.zeros(2, 2).to_sparse())

        def forward(self, x):
            self.changed.data += 1
            self.replaced = self.replaced + 1
            if len(x) > self.length:  # as rotary embeddings do
                self.length, self.cached = len(x), torch.zeros(len(x))
            return self.linear(x + self.changed + self.cached[: len(x), None])

    model, x = Counts().eval(), torch.randn(20, 6)
    before = dict(model.named_buffers())
    taken = repsim.torch.activations(model, x, batch_size=10)["linear"]
    torch.testing.assert_close(taken, model.linear(x + torch.tensor([[1.0], [2.0]]).repeat_interleave(10, 0)).detach())
    for name, buffer in model.named_buffers():
        assert buffer is before[name]
        assert not buffer.to_dense().any()
    assert (model.length, model.cached.shape) == (1, (1,))
    assert model.untouched._version == 0  # a graph may need it


def test_options_out_of_range_name_layers():
    with pytest.raises(errors.ParameterError, match="of layer 'a' of model_a needs"):
        compare({"a": np.eye(100)}, {"b": np.eye(100)}, index="procrustes", memory=10**5)


def test_images_that_are_one_number():
    for images in (np.array(3.0), {"input": np.array(3.0)}):
        with pytest.raises(errors.ParameterError, match="images is, or holds, a single number"):
            activations(convolutions(), images)


@pytest.mark.parametrize("dtype", [">f4", ">f8", np.longdouble, "bfloat16"])
def test_images_of_any_precision_of_numpy(dtype):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    x = np.arange(12).reshape(4, 3).astype(dtype)
    taken = repsim.torch.activations(nn.Sequential(nn.Linear(3, 3), nn.Identity()).eval(), x)
    assert {rows.dtype for rows in taken.values()} == {torch.float32}
    np.testing.assert_array_equal(activations(nn.Identity().eval(), x)["Identity"], np.arange(12.0).reshape(4, 3))


def test_sparse_outputs():
    class Sparse(nn.Module):
        def forward(self, x):
            return x.to_sparse()

    model = nn.Sequential(nn.Linear(6, 5), Sparse()).eval()
    x = torch.randn(20, 6)
    assert list(activations(model, x)) == ["0"]
    with pytest.raises(errors.DTypeError, match=r"layer '1' of model is sparse \(Tensor\); a dense array is needed"):
        activations(model, x, layers="1")


def test_a_name_that_is_too_long_for_a_file(tmp_path):
    with pytest.raises(errors.ParameterError, match="to: the name of layer 'x{300}' is too long for that of a file"):
        activations(lambda b: {"x" * 300: b}, np.eye(3), to=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "device",
    ["gpu", pytest.param("cuda", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="it can be used"))],
)
def test_a_device_that_cannot_be_used_is_said_before_the_model_runs(device):
    images = iter([IMAGES])
    with pytest.raises(errors.ParameterError, match=f"device is '{device}', which PyTorch cannot use here"):
        repsim.torch.activations(convolutions(), images, device=device)
    assert next(images) is IMAGES


def test_what_a_module_adds_to_itself_while_it_runs_is_gone_afterwards():
    class Remembers(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(3, 2)

        def forward(self, x):
            self.last = x
            self.register_buffer("seen", x.sum())
            return self.layer(x)

    model = Remembers().eval()
    before = sorted(vars(model)), sorted(model.state_dict())
    activations(model, torch.randn(6, 3))
    assert (sorted(vars(model)), sorted(model.state_dict())) == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(errors.ParameterError, match="to: .*file.* cannot be made"):
        activations(torch.nn.Linear(3, 2).eval(), torch.randn(6, 3), to=tmp_path / "file" / "inside")
    with pytest.raises(errors.ParameterError, match="model is str; a torch.nn.Module is needed"):
        repsim.torch.layers("model")
