"""What `compare` does with activations, and what can be done with its result."""

import os
import re
import subprocess
import sys
import tracemalloc
import zipfile
from dataclasses import replace

import numpy as np
import pytest

import repsim
from repsim import compare, errors, pairwise
from repsim.comparison import Comparison, scale_of

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
    with pytest.raises(errors.ParameterError, match='undefined is \'skip\'; "raise" or "nan"'):
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


@pytest.mark.parametrize("record", [{("t", 1): 3}, 3])
def test_what_cannot_be_saved_leaves_the_file_that_is_there(tmp_path, record):
    path, one = tmp_path / "one.npz", compare(A, B)
    one.save(path)
    with pytest.raises(errors.ParameterError, match="record is .*, which JSON cannot hold .*strings as keys is needed"):
        replace(one, record=record).save(path)
    assert Comparison.load(path) == one
    with pytest.raises(errors.ParameterError, match="path is .*, which is no file that could be replaced"):
        one.save(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_file_that_is_there(tmp_path, monkeypatch):
    def fill(file, **_):
        file.write(b"PK")
        raise OSError("No space left on device")

    path, one = tmp_path / "one.npz", compare(A, B)
    one.save(path)
    monkeypatch.setattr(np, "savez", fill)
    with pytest.raises(OSError, match="No space left"):
        compare(A, A).save(path)
    assert Comparison.load(path) == one
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_to_a_file_stays_one(tmp_path):
    path, link, one = tmp_path / "one.npz", tmp_path / "link.npz", compare(A, B)
    path.touch()
    link.symlink_to(path)
    one.save(link)
    assert link.is_symlink()
    assert Comparison.load(path) == one


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"chance_z": None}, "chance_z"),
        ({"chance_mean": None}, "chance_mean"),
        ({"chance_mean": None, "chance_z": None}, "chance_mean"),
        ({"chance_z": np.eye(3)}, r"chance_z has shape \(3, 3\), and there are 2 and 3 names"),
        ({"values": np.eye(3)}, r"values has shape \(3, 3\), and there are 2 and 3 names of layers"),
        ({"layers_b": np.array(["a"])}, r"values has shape \(2, 3\), and there are 2 and 1 names of layers"),
        ({"record": np.array("[1]")}, "cannot convert"),
        ({"bounds": np.array([0.0, 1.0, 2.0])}, "too many values"),
    ],
)
def test_a_file_of_which_a_part_is_lost_is_said_to_be_none(tmp_path, change, said):
    path = tmp_path / "c.npz"
    compare(A, B, chance=True).save(path)
    with np.load(path) as file:
        arrays = {**file, **change}
    np.savez(path, **{name: values for name, values in arrays.items() if values is not None})
    with pytest.raises(
        errors.ParameterError, match=rf"c\.npz', which is no file that Comparison\.save wrote \(.*{said}"
    ):
        Comparison.load(path)
    with pytest.raises(errors.ParameterError, match="which is no file that Comparison.save wrote"):
        Comparison.load(tmp_path)


def test_a_file_without_a_title_is_read(tmp_path):
    path, one = tmp_path / "c.npz", compare(A, B)
    np.savez(path, **{name: array for name, array in one._arrays().items() if name not in ("title", "bounds")})
    assert Comparison.load(path) == one
    assert Comparison.load(path).plot().images[0].get_clim() == (0, 1)


def test_there_is_a_value_for_each_pair_of_names():
    with pytest.raises(
        errors.ParameterError, match=r"values has shape \(3, 3\), and there are 1 and 3 names of layers"
    ):
        Comparison(np.eye(3), ("a",), ("a", "b", "c"), "cka_linear")


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


def test_an_index_of_ones_own_is_drawn_as_it_says():
    mine = repsim.Index.of("mine", np.shape, lambda a, b: 0.5, title="My Index", bounds=(0, 2))
    image = compare(A, B, index=mine).plot().images[0]
    assert image.colorbar.ax.get_ylabel() == "My Index"
    assert image.get_clim() == (0, 2)


def test_one_file_of_bfloat16_is_read_as_it_was_written(tmp_path, capsys):
    from repsim.__main__ import main

    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((40, 5)).astype(np.float32)
    repsim.activations(lambda batch: {"half": torch.tensor(batch).bfloat16()}, x, to=tmp_path)
    np.savez(tmp_path / "x.npz", x=x)
    assert main([str(tmp_path / "half.npy"), str(tmp_path / "x.npz")]) == 0
    assert "1.000" in capsys.readouterr().out


def test_a_map_has_the_title_and_the_bounds_of_an_index_of_ones_own(tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    mine = repsim.Index.of("mine", np.shape, lambda a, b: 0.5, title="My Index", bounds=(0, 2))
    one = Comparison(np.full((1, 1), 0.5), ("a",), ("b",), "mine", None, {}, *scale_of(mine))
    one.save(tmp_path / "one.npz")
    for each in (one, Comparison.load(tmp_path / "one.npz")):
        ax = each.plot()
        assert ax.images[0].colorbar.ax.get_ylabel() == "My Index"
        assert ax.images[0].get_clim() == (0, 2)
    free = replace(one, bounds=(-np.inf, 1)).plot()
    assert free.images[0].colorbar.ax.get_ylabel() == "My Index"
    unknown = replace(one, title="").plot()
    assert unknown.images[0].colorbar.ax.get_ylabel() == "mine"
    plt.close("all")


def test_names_of_layers_are_no_formulas(tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    ax = Comparison(np.eye(2), ("$\\foo$", "b"), ("a$", "$x_1$"), "cka_linear").plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["$\\foo$", "b"]
    with plt.rc_context({"svg.fonttype": "none"}):
        ax.figure.savefig(tmp_path / "c.svg")
    drawn = (tmp_path / "c.svg").read_text()
    for name in ("$\\foo$", "a$", "$x_1$"):
        assert f">{name}<" in drawn
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
    assert main([str(a), str(b), "--chance"]) == 0
    assert "by chance" in capsys.readouterr().out
    assert main([str(a), str(b / "second.npy")]) == 0
    assert capsys.readouterr().out.split()[:2] == ["second", "conv"]
    archive, tokens, dead = (tmp_path / name for name in ("model.pt", "tokens.npz", "dead.npz"))
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", b"weights")
    np.savez(tokens, block=np.zeros((50, 6, 3)))
    np.savez(dead, dead=np.ones((50, 3)))
    for wrong, words in (
        ([str(tmp_path / "none.npz"), str(b)], "No such file"),
        ([str(drawn), str(b)], "no .npz or .npy file"),
        ([str(archive), str(b)], "model.pt is no .npz file of arrays: 'archive/data.pkl' in it is none"),
        ([str(a), str(b), "--index", "cka"], "unknown index 'cka'"),
        ([str(dead), str(b)], "layer 'dead' of model_a .* is needed; or --nan, which leaves it out\n$"),
        ([str(tokens), str(b)], r"pool= says how .* or a function \(options of repsim.compare, in Python\)\n$"),
    ):
        assert main(wrong) == 1
        said = capsys.readouterr().err
        assert said.startswith("repsim: ")
        assert re.search(words, said)
        assert said.count("\n") == 1


def test_the_command_refuses_beforehand_what_it_cannot_write_or_would_overwrite(tmp_path, capsys, monkeypatch):
    from repsim import __main__ as command

    a, b = tmp_path / "a.npz", tmp_path / "b"
    np.savez(a, **A)
    b.mkdir()
    np.save(b / "dense.npy", A["dense"])
    link = tmp_path / "link.npz"
    link.symlink_to(a)
    before = a.read_bytes(), (b / "dense.npy").read_bytes()
    monkeypatch.setattr(command, "compare", lambda *_, **__: pytest.fail("it was computed"))
    overwrites, needs = (
        "would overwrite another file of this call",
        "the name of a file in a folder that can be written",
    )
    for options, words in (
        (["--out", a], overwrites),
        (["--out", b / ".." / "a.npz"], overwrites),
        (["--out", link], overwrites),
        (["--out", b / "dense.npy"], overwrites),
        (["--plot", a], overwrites),
        (["--out", tmp_path / "c.svg", "--plot", tmp_path / "c.svg"], overwrites),
        (["--out", b], needs),
        (["--out", tmp_path / "no" / "c.npz"], needs),
        (["--out", a / "c.npz"], needs),
        (["--plot", tmp_path / "no" / "c.svg"], needs),
        (["--plot", tmp_path / "c.xyz"], "must end in one of the kinds .*svg"),
        (["--plot", tmp_path / "c"], "must end in one of the kinds .*svg"),
    ):
        assert command.main([str(a), str(b), *map(str, options)]) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"repsim: {options[-2]} {options[-1]}")
        assert re.search(words, said)
    assert before == (a.read_bytes(), (b / "dense.npy").read_bytes())


@pytest.mark.parametrize("error", [MemoryError(), MemoryError("Unable to allocate 8.00 TiB")])
def test_the_command_says_that_there_is_not_enough_memory(tmp_path, capsys, monkeypatch, error):
    from repsim import __main__ as command

    def fail(*_, **__):
        raise error

    np.savez(tmp_path / "a.npz", **A)
    monkeypatch.setattr(command, "compare", fail)
    assert command.main([str(tmp_path / "a.npz")] * 2) == 1
    rest = f": {error}" if str(error) else ""
    assert capsys.readouterr().err == f"repsim: there is not enough memory{rest}\n"


def test_the_command_prints_names_that_the_output_cannot_hold(tmp_path):
    np.savez(tmp_path / "a.npz", **{"Schicht-größe": A["dense"], "层": A["conv"]})
    done = subprocess.run(
        [sys.executable, "-m", "repsim", "a.npz", "a.npz"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    head, *rows = done.stdout.decode("ascii").splitlines()
    assert head.split() == ["Schicht-gr\\xf6\\xdfe", "\\u5c42"]
    assert [row.split()[0] for row in rows] == head.split()
    assert len({len(row) for row in (head, *rows)}) == 1


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
