"""Running a notebook: what the result says of itself, and what a failure leaves behind."""

import json
import os
import sys

import pytest

from repsim.lab import execution
from repsim.lab.errors import LabError, StorageError
from repsim.lab.execution import NotebookError, execute, is_stale, stamp
from repsim.lab.repository import commit

from .conftest import notebook

DRAWING = """
%config InlineBackend.figure_formats = ["svg"]
import matplotlib.pyplot as plt
_ = plt.plot([1, 3, 2])
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A notebook that ran twice."""
    folder = tmp_path_factory.mktemp("notebooks")
    code = "import sys\nprint(profile, sys.executable)"
    source = notebook(folder / "source.ipynb", code, DRAWING)
    return (
        source,
        execute(source, "smoke", folder / "out" / "one.ipynb"),
        execute(source, "smoke", folder / "two.ipynb"),
    )


def outputs(path):
    cells = json.loads(path.read_text())["cells"]
    return [output for cell in cells if cell["cell_type"] == "code" for output in cell["outputs"]]


def test_it_runs_in_this_environment_with_the_profile(ran):
    text = "".join(outputs(ran[1])[0]["text"])
    assert text == f"smoke {sys.executable}\n"


def test_stamp(ran):
    source, executed, _ = ran
    found = stamp(executed)
    assert found["source_sha256"] == execution.digest(source)
    assert found["profile"] == "smoke"
    assert found["commit"] == commit()
    assert found["seconds"] > 0
    assert found["peak_memory_mib"] > 20
    assert found["machine"]["processors"] >= 1
    assert "numpy" in found["machine"]["versions"]
    assert found["date"].startswith("20")


def test_two_runs_give_the_same_bytes_but_for_the_stamp(ran):
    one, two = (json.loads(path.read_text()) for path in ran[1:])
    assert any("image/svg+xml" in output.get("data", {}) for output in outputs(ran[1]))
    del one["metadata"]["repsim"], two["metadata"]["repsim"]
    assert one == two
    assert str(ran[0].parent) not in json.dumps(one)
    assert one["metadata"]["kernelspec"]["name"] == "python3"


def test_staleness(ran, tmp_path):
    source, executed, _ = ran
    assert not is_stale(executed, source)
    changed = notebook(tmp_path / "changed.ipynb", "print(2)")
    assert is_stale(executed, changed)
    assert is_stale(tmp_path / "nowhere.ipynb", source)
    assert is_stale(source, source), "a source is not an executed notebook"


def test_a_failing_notebook_names_the_cell_and_leaves_the_old_output(tmp_path):
    out = tmp_path / "out.ipynb"
    out.write_text("what was here")
    source = notebook(tmp_path / "broken.ipynb", "print(1)", "raise ValueError('too few\\nof them')")
    with pytest.raises(NotebookError, match=r"broken\.ipynb: cell \d+ failed: ValueError: too few$"):
        execute(source, "smoke", out)
    assert out.read_text() == "what was here"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.ipynb", "out.ipynb"]
    assert "JUPYTER_PATH" not in os.environ or "repsim-kernel" not in os.environ["JUPYTER_PATH"]


def test_a_kernel_that_dies(tmp_path):
    source = notebook(tmp_path / "dying.ipynb", "import os\nos._exit(1)")
    with pytest.raises(NotebookError, match=r"dying\.ipynb: its kernel died"):
        execute(source, "smoke", tmp_path / "out.ipynb")
    assert not (tmp_path / "out.ipynb").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"nbformat": 3}', '{"nbformat": 4}', "\x00"])
def test_what_is_not_a_notebook(tmp_path, content):
    source = tmp_path / "source.ipynb"
    source.write_text(content)
    with pytest.raises(NotebookError, match="source.ipynb"):
        execute(source, "smoke", tmp_path / "out.ipynb")


def test_a_notebook_that_is_not_there(tmp_path):
    with pytest.raises(LabError, match="cannot be read"):
        execute(tmp_path / "source.ipynb", "smoke", tmp_path / "out.ipynb")


def test_no_room_for_the_output_is_one_sentence(tmp_path, monkeypatch):
    source = notebook(tmp_path / "source.ipynb", "print(1)")
    (tmp_path / "out.ipynb").write_text("old")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("papermill.execute_notebook", full)
    with pytest.raises(StorageError, match=r"out\.ipynb cannot be written: No space left on device$"):
        execute(source, "smoke", tmp_path / "out.ipynb")
    assert (tmp_path / "out.ipynb").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.ipynb", "source.ipynb"]
