"""What `compare` does with activations, and what can be done with its result."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import repsim
from repsim import compare, errors, pairwise
from repsim.comparison import Comparison

RNG = np.random.default_rng(0)
A = {"conv": RNG.normal(size=(50, 4, 4, 3)), "dense": RNG.normal(size=(50, 7))}
B = {"first": A["conv"] + RNG.normal(size=(50, 4, 4, 3)), "second": RNG.normal(size=(50, 9)), "third": A["dense"]}


def test_activations_that_are_there():
    found = compare(A, B)
    np.testing.assert_array_equal(found.values, pairwise(list(A.values()), list(B.values())))
    assert (found.layers_a, found.layers_b) == (("conv", "dense"), ("first", "second", "third"))
    assert compare(A, B, layers="dense", layers_b=["third", "f*"]).layers_b == ("third", "first")
    with pytest.raises(errors.ParameterError, match="model_b has no layer 'secnd'; did you mean 'second'"):
        compare(A, B, layers="*", layers_b="secnd")


def test_tokens_that_are_there():
    tokens = {"block": RNG.normal(size=(50, 6, 3))}
    np.testing.assert_allclose(
        compare(tokens, B, pool="mean", layers="*", layers_b="second").values[0, 0],
        repsim.cka(tokens["block"].mean(axis=1), B["second"]),
    )
    with pytest.raises(errors.DimensionError, match=r"layer 'block' of model_a has .* \(50, 6, 3\); pool= says"):
        compare(tokens, B)


def test_several_indexes_share_the_runs():
    runs = []

    def model(batch):
        runs.append(len(batch))
        return {"x": batch, "square": batch**2}

    x = RNG.normal(size=(60, 5))
    found = compare(model, model, x, index=["cka_linear", "cca_r2"], batch_size=25)
    assert runs == [25, 25, 10]
    assert list(found) == ["cka_linear", "cca_r2"]
    assert found["cca_r2"] == compare(model, model, x, index="cca_r2")
    assert found["cca_r2"].record == {"examples": 60}


def with_dead_layers():
    dead = {"conv": A["conv"], "dead": np.ones((50, 3)), "nan": np.full((50, 2), np.nan), "dense": A["dense"]}
    spike = np.zeros((50, 4))
    spike[0] = 1  # its median distance is 0
    return dead | {"spike": spike}


def test_one_dead_layer_does_not_end_the_rest():
    dead = with_dead_layers()
    found = compare(dead, B, index=["cka_linear", "cka_rbf_0.4"], undefined="nan")
    right = compare(A, B).values
    np.testing.assert_array_equal(np.isnan(found["cka_linear"].values).all(axis=1), [False, True, True, False, False])
    np.testing.assert_allclose(found["cka_linear"].values[[0, 3]], right, rtol=1e-12)
    np.testing.assert_array_equal(np.isnan(found["cka_rbf_0.4"].values).all(axis=1), [False, True, True, False, True])
    within = compare(dead, dead, undefined="nan").values
    np.testing.assert_array_equal(np.isnan(within).all(axis=0), [False, True, True, False, False])
    assert np.isnan(compare({"dead": np.ones((5, 2))}, {"dead": np.ones((5, 2))}, undefined="nan").values).all()


def test_messages_name_layers():
    dead = with_dead_layers()
    with pytest.raises(
        errors.ConstantRepresentationError, match=r"^layer 'dead' of model_b \(shape \(50, 3\)\) is const"
    ):
        compare(A, dead)
    with pytest.raises(errors.NonFiniteError, match="layer 'nan' of model_a"):
        compare(dead, A, layers=["conv", "nan"], layers_b="conv")
    with pytest.raises(errors.UndefinedSimilarityError, match="layer 'spike' of model_a"):
        compare(dead, A, layers=["spike"], layers_b="conv", index="cka_rbf_0.4")
    with pytest.raises(errors.ShapeMismatchError, match="layer 'x' of model_b"):
        compare(A, {"x": A["dense"][:49]}, undefined="nan")
    with pytest.raises(errors.ParameterError, match="undefined is 'skip'; 'raise' or 'nan'"):
        compare(A, B, undefined="skip")


def test_warnings_name_layers_and_the_line_of_the_user():
    with pytest.warns(errors.RankSaturationWarning, match="reached by layer 'wide' of model_b") as caught:
        compare(A, {"wide": RNG.normal(size=(50, 60))}, layers="dense", layers_b="wide", index="cca_r2")
    assert caught[0].filename == __file__


@pytest.mark.parametrize("memory", ["100000000", 1.5e8, True, 0])
def test_memory_is_a_number_of_bytes(memory):
    with pytest.raises(errors.ParameterError, match="memory is"):
        compare(A, B, memory=memory)


def wide(batch):
    return {f"layer{i}": np.repeat(batch, 500, axis=1) + i for i in range(8)}


@pytest.mark.parametrize("known", [True, False])
def test_memory_is_what_must_be_held(known, monkeypatch):
    """NumPy tells tracemalloc of every array; the least that the comparison may take is made small beside them."""
    monkeypatch.setattr(sys.modules["repsim.compare"], "_LEAST_MEMORY", 2**20)
    x = RNG.normal(size=(1000, 4)).astype(np.float32)
    images = x if known else (x[i : i + 50] for i in range(0, 1000, 50))
    held = 8 * 1000 * 2000 * 4
    tracemalloc.start()
    compare(wide, wide, images, batch_size=50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * held


def test_the_memory_that_is_given_holds():
    x = RNG.normal(size=(1000, 4)).astype(np.float32)
    memory = 16 * 2**20
    tracemalloc.start()
    found = compare(wide, wide, x, batch_size=50, memory=memory)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.2 * memory < 8 * 1000 * 2000 * 4
    np.testing.assert_allclose(found.values, 1, rtol=1e-5)


def test_activations_in_files(tmp_path):
    x = RNG.normal(size=(60, 5))

    def model(batch):
        return {"a/b": batch, "c d": batch**2}

    found = compare(model, lambda batch: {"x": batch}, x, to=tmp_path, batch_size=25)
    assert found == compare(model, lambda batch: {"x": batch}, x)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")) == [
        "a/a%2Fb.npy",
        "a/c d.npy",
        "b/x.npy",
    ]
    np.testing.assert_array_equal(np.load(tmp_path / "a" / "c d.npy"), x**2)


def test_progress_goes_through_the_examples_first():
    steps = []
    x = RNG.normal(size=(60, 5))
    compare(lambda b: {"x": b}, lambda b: {"x": b}, x, batch_size=25, progress=lambda *step: steps.append(step))
    assert steps[:4] == [(25, 60), (50, 60), (59, 60), (60, 60)]
    assert steps[-1][0] == steps[-1][1]


def test_files_of_other_layers_are_not_mixed_with_those_that_are_written(tmp_path):
    x = np.random.default_rng(0).standard_normal((20, 3))
    for _ in range(2):  # the same layers may be written again
        repsim.activations(lambda batch: {"x": batch, "y": -batch}, x, to=tmp_path)
    with pytest.raises(errors.ParameterError, match=r"to: .* holds files of other layers \(y.npy\)"):
        repsim.activations(lambda batch: {"x": 2 * batch}, x, to=tmp_path)
    assert not list(tmp_path.glob("*.part"))
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), x)


def test_resume(tmp_path):
    assert compare(A, B, resume=tmp_path / "unfinished") == compare(A, B)


@pytest.mark.parametrize("index", ["rsa", ["rsa", "cka_linear"]])
def test_resume_goes_on_where_undefined_layers_are_left_out(tmp_path, index):
    x, y = np.random.default_rng(0).standard_normal((2, 5, 3))
    models = {"fine": x, "equidistant": np.eye(5), "fine too": y}, {"b": y}
    expected = compare(*models, index=index, undefined="nan")
    folder = tmp_path / "unfinished"

    class Killed(Exception):
        pass

    calls = []

    def kill(done, total):
        calls.append(done)
        if len(calls) > 2:
            raise Killed

    with pytest.raises(Killed):
        compare(*models, index=index, undefined="nan", resume=folder, progress=kill)
    found = compare(*models, index=index, undefined="nan", resume=folder)
    assert found == expected
    assert not folder.exists()


def test_equality():
    one = compare(A, B)
    assert one == compare(A, B)
    assert one != compare(A, B, index="cka_rbf_0.4")
    assert one != compare(A, {f"_{name}": x for name, x in B.items()})
    assert one != "one"
    nan = Comparison(np.array([[np.nan]]), ("a",), ("b",), "cka_linear")
    assert nan == Comparison(np.array([[np.nan]]), ("a",), ("b",), "cka_linear")


@pytest.mark.parametrize("chance", [False, True])
def test_a_file_holds_all_of_it(tmp_path, chance):
    one = compare(A, B, chance=chance)
    one.save(tmp_path / "one.npz")
    back = Comparison.load(tmp_path / "one.npz")
    assert back == one
    assert (back.layers_a, back.layers_b, back.index, back.record) == (
        one.layers_a,
        one.layers_b,
        one.index,
        one.record,
    )
    assert (back.chance is None) is not chance
    np.savez(tmp_path / "other.npz", x=1)
    with pytest.raises(errors.ParameterError, match=r"other\.npz', which is no file that Comparison\.save wrote"):
        Comparison.load(tmp_path / "other.npz")


def test_chance():
    found = compare(A, B, chance=True)
    for i, x in enumerate(A.values()):
        for j, y in enumerate(B.values()):
            one = repsim.chance(x, y)
            assert found.chance.mean[i, j] == pytest.approx(one.mean, rel=1e-9)
            assert found.chance.standard_deviation[i, j] == pytest.approx(one.standard_deviation, rel=1e-6)
    dead = compare({"dead": np.ones((50, 3)), **A}, B, chance=True, undefined="nan").chance
    assert np.isnan(dead.z[0]).all()
    np.testing.assert_allclose(dead.mean[1:], found.chance.mean)
    np.testing.assert_allclose(dead.z[1:], found.chance.z)
    assert found.chance.z[0, 0] > 5 > abs(found.chance.z[0, 1])
    with pytest.raises(errors.ParameterError, match="chance is known for CKA only, not for cca_r2"):
        compare(A, B, index="cca_r2", chance=True)


def test_a_frame():
    pandas = pytest.importorskip("pandas")
    frame = compare(A, B).to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.loc["conv", "first"] == compare(A, B).values[0, 0]


@pytest.mark.parametrize(("call", "name"), [("to_frame", "pandas"), ("plot", "matplotlib")])
def test_what_is_not_installed_is_said(call, name, monkeypatch):
    for module in (name, f"{name}.pyplot"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=f"{call} needs {name}, which is not installed: pip install {name}"):
        getattr(compare(A, B), call)()


def test_the_map():
    plt = pytest.importorskip("matplotlib.pyplot")
    one = compare(A, B)
    one.values[0, 1] = np.nan
    ax = one.plot()
    assert [label.get_text() for label in ax.get_xticklabels()] == list(one.layers_b)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(one.layers_a)
    np.testing.assert_array_equal(ax.images[0].get_array(), np.ma.masked_invalid(one.values))
    assert ax.images[0].get_clim() == (0, 1)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[0, 0], [2, 1]])
    _, (left, right) = plt.subplots(1, 2)
    assert one.plot(left) is left
    compare(A, B, index="hsic_linear").plot(right)
    with pytest.raises(errors.ParameterError, match="chance is True and there is none here"):
        one.plot(chance=True)
    plt.close("all")


def test_chance_is_hatched():
    plt = pytest.importorskip("matplotlib.pyplot")
    one = compare(A, B, chance=True)
    ax = one.plot(chance=True)
    hatched = {(round(cell.get_y() + 0.5), round(cell.get_x() + 0.5)) for cell in ax.patches}
    assert hatched == {tuple(place) for place in np.argwhere(np.abs(one.chance.z) <= 5).tolist()}
    assert (0, 0) not in hatched
    plt.close("all")


def test_the_command(tmp_path, capsys):
    from repsim.__main__ import main

    a, b = tmp_path / "a.npz", tmp_path / "b"
    np.savez(a, **A)
    b.mkdir()
    for name, rows in B.items():
        np.save(b / f"{name}.npy", rows)
    out, drawn = tmp_path / "c.npz", tmp_path / "c.svg"
    assert main([str(a), str(b), "--index", "cka_rbf_0.4", "--out", str(out), "--plot", str(drawn)]) == 0
    assert Comparison.load(out) == compare(A, B, index="cka_rbf_0.4")
    assert "<svg" in drawn.read_text()
    assert main([str(a), str(b / "second.npy")]) == 0
    assert capsys.readouterr().out.split()[:2] == ["second", "conv"]
    for wrong, words in (
        ([str(tmp_path / "none.npz"), str(b)], "No such file"),
        ([str(drawn), str(b)], "no .npz or .npy file"),
        ([str(a), str(b), "--index", "cka"], "unknown index 'cka'"),
    ):
        assert main(wrong) == 1
        assert words in capsys.readouterr().err


def test_the_command_as_a_program(tmp_path):
    np.savez(tmp_path / "a.npz", **A)
    code = (
        "import runpy, sys; sys.argv = ['repsim', 'a.npz', 'a.npz', '--out', 'c.npz'];\n"
        "try: runpy.run_module('repsim', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'repsim.lab', 'torch', 'tensorflow', 'keras', 'matplotlib', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env=None)
    assert Comparison.load(tmp_path / "c.npz") == compare(A, A)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_said_to_be_none(tmp_path, content):
    path = tmp_path / "c.npz"
    path.write_bytes(content)
    with pytest.raises(errors.ParameterError, match=r"c\.npz'?, which is no file that Comparison\.save wrote"):
        Comparison.load(path)
    for arguments in ([str(path), str(path)], [str(tmp_path), str(path)]):
        done = subprocess.run([sys.executable, "-m", "repsim", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("repsim: ")


def test_folders_are_read_as_one_counts_and_maps_have_one_scale(tmp_path):
    for number in (1, 2, 10):
        np.save(tmp_path / f"layer{number}.npy", RNG.normal(size=(30, number)))
    command = [sys.executable, "-m", "repsim", str(tmp_path), str(tmp_path), "--out", str(tmp_path / "c.npz")]
    subprocess.run([*command, "--index", "cka_linear_debiased"], check=True, capture_output=True)
    found = Comparison.load(tmp_path / "c.npz")
    assert found.layers_a == ("layer1", "layer2", "layer10")
    assert found.plot().images[0].get_clim() == (0, 1)
    done = subprocess.run([*command, "--plot", str(tmp_path / "c.xyz")], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"repsim: --plot {tmp_path / 'c.xyz'}: " in done.stderr


def test_a_fault_of_a_pair_is_no_layers():
    big, small = A["dense"] * 1e100, A["dense"] * 1e-100
    with pytest.raises(errors.NonFiniteError, match="the HSIC of layer 'a' of model_a and layer 'a' of model_a"):
        compare({"a": big, "b": small}, {"c": big, "d": small}, index="hsic_linear", undefined="nan")
    with pytest.raises(errors.ConstantRepresentationError, match="or undefined='nan', which leaves it out"):
        compare({"dead": np.ones((50, 3))}, A)


def test_a_generator_of_names_serves_both_models():
    found = compare(A, A, layers=(name for name in A))
    assert found.layers_b == tuple(A)


def test_names_are_strings():
    for model, images, said in (({0: A["dense"]}, None, "has"), (lambda b: {0: b}, A["dense"], "returned")):
        with pytest.raises(errors.ParameterError, match=f"model_a {said} the name 0; names of layers are strings"):
            compare(model, A, images)
