"""A whole notebook where nothing is installed: a kernel as Colab's, and the repository on this machine.

What pip brings is held to the pins of requirements.lock, so that a package's release elsewhere changes no outcome here.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from .conftest import ROOT

NOTEBOOK = ROOT / "notebooks" / "04-correspondence.ipynb"
IN_COLAB = "import google.colab\n"
EXECUTE = """
import sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, kernel_name="python3", timeout=600).execute(cwd=sys.argv[2])
nbformat.write(notebook, sys.argv[1])
"""


@pytest.fixture(scope="module")
def pins(tmp_path_factory):
    """The pins of the lock file without hashes, which pip refuses beside a folder to install from."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    path = tmp_path_factory.mktemp("pins") / "constraints.txt"
    path.write_text("\n".join(re.findall(r"^(\S+==.+?) \\$", lock, re.MULTILINE)) + "\n")
    return path


@pytest.fixture(scope="module")
def environment(tmp_path_factory, pins):
    """Variables of a shell that knows nothing of this project's environment, where pip keeps to the pins."""
    folder = tmp_path_factory.mktemp("profile")
    startup = folder / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-colab.py").write_text(IN_COLAB)
    ours = ("PYTHON", "GIT_", "VIRTUAL_ENV", "REPSIM_", "JUPYTER", "KERAS_BACKEND")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {
        "PIP_CONSTRAINT": str(pins),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONNOUSERSITE": "1",
        "IPYTHONDIR": str(folder),
        "REPSIM_CACHE": str(folder / "cache"),
    }


@pytest.fixture(scope="module")
def bare(tmp_path_factory, environment):
    """A Python with pip, a kernel and what runs it, and the module that tells that this is Colab."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, env=environment)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "ipykernel", "nbclient"], check=True, env=environment)
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "google" / "colab").mkdir(parents=True)
    (site / "google" / "colab" / "__init__.py").touch()
    yield python
    shutil.rmtree(folder)  # pytest keeps the folders of three runs


@pytest.fixture(scope="module")
def hosted(tmp_path_factory, project_files):
    """A repository with this project as it is now."""
    folder = tmp_path_factory.mktemp("hosted")
    for path in project_files:
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init"], ["add", "."], ["commit", "-m", "one"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    return folder.as_uri()


@pytest.mark.bare
def test_a_notebook_runs_to_its_end_from_an_empty_folder(bare, environment, hosted, project, tmp_path):
    address = project["project"]["urls"]["Repository"]
    text = NOTEBOOK.read_text(encoding="utf-8").replace(f'\\"{address}\\"', json.dumps(json.dumps(hosted))[1:-1])
    assert hosted in text
    notebook = json.loads(text)
    (parameters,) = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    parameters["source"] = 'profile = "smoke"'
    path, content = tmp_path / NOTEBOOK.name, tmp_path / "content"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    content.mkdir()

    done = subprocess.run([bare, "-c", EXECUTE, path, content], env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr[-4000:]
    assert [one.name for one in content.iterdir()] == ["repsim-revisited"]
    assert list((content / "repsim-revisited" / "results" / "smoke" / "networks").glob("*.npz"))
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    drawn = sum("figures.show(" in "".join(cell["source"]) for cell in cells)
    outputs = [output for cell in cells for output in cell["outputs"]]
    figures = ["<figure" in "".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    assert sum(figures) == drawn > 0
    assert "".join(cells[1]["outputs"][-1]["text"]).startswith("repsim-revisited ")
    command = [bare, "-c", "import repsim; print(repsim.__file__)"]
    shown = subprocess.run(command, cwd=content, env=environment, capture_output=True, text=True)
    assert shown.stdout.strip() == str(content / "repsim-revisited" / "repsim" / "__init__.py")
