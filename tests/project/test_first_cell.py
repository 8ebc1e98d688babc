"""The first cell of each notebook: the right `repsim` or one sentence, and in Colab the package from the repository."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig

import pytest

from .conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# pip, but for what it would fetch: it says what it was asked for, and the cell goes on with the cloned folder.
STAND_IN_FOR_PIP = 'import sys; open("pip-was-asked", "a").write(" ".join(sys.argv[1:]) + "\\n")'
IN_COLAB = "import sys, types; sys.modules['google.colab'] = types.ModuleType('google.colab')\n"


def first_cell(path):
    """Return the code of the cell that sees to the package: the first one after the profile."""
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert cells[0]["metadata"]["tags"] == ["parameters"]
    return "".join(cells[1]["source"])


@pytest.fixture
def run(tmp_path):
    """Run code where nothing but what the package requires and what lies in tmp_path/stubs can be imported."""
    (tmp_path / "stubs").mkdir()
    for name in ("numpy", "scipy", "array_api_compat", "threadpoolctl"):
        for path in (one for one in os.scandir(sysconfig.get_path("purelib")) if one.name.startswith(name)):
            (tmp_path / "stubs" / path.name).symlink_to(path.path)

    def start(code):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GIT_"))}
        environment["PYTHONPATH"] = str(tmp_path / "stubs")
        # -S: without the site-packages of this environment, where the right one is installed.
        return subprocess.run(
            [sys.executable, "-S", "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return start


def last_line(done):
    return done.stderr.strip().splitlines()[-1]


def test_all_first_cells_are_the_same():
    assert len(NOTEBOOKS) >= 5
    assert len({first_cell(path) for path in NOTEBOOKS}) == 1


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_wrong_package_is_named(path, run, tmp_path, project):
    (tmp_path / "stubs" / "repsim").mkdir()
    (tmp_path / "stubs" / "repsim" / "__init__.py").write_text("def compare(x, y): ...\n__version__ = '0.3'\n")
    done = run(first_cell(path))
    assert done.returncode == 1
    assert last_line(done) == (
        f"ImportError: The `repsim` in {tmp_path}/stubs/repsim/__init__.py is another project: "
        f"install the one of {project['project']['urls']['Repository']} instead."
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_package_is_named(path, run, project):
    done = run(first_cell(path))
    assert done.returncode == 1
    assert last_line(done) == (
        f"ImportError: repsim-revisited is not installed: clone {project['project']['urls']['Repository']} "
        "and run `make env`."
    )


@pytest.fixture
def hosted(tmp_path, project):
    """A repository with the package, at an address that every notebook can be given in place of the real one."""
    folder = tmp_path / "hosted"
    shutil.copytree(ROOT / "repsim", folder / "repsim", ignore=shutil.ignore_patterns("__pycache__"))
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init"], ["add", "."], ["commit", "-m", "one"]):
        subprocess.run([*git, *arguments], check=True, capture_output=True)
    address = project["project"]["urls"]["Repository"]
    return lambda code: code.replace(f'"{address}"', repr(folder.as_uri()))


def test_in_colab_it_comes_from_the_repository(run, hosted, tmp_path):
    (tmp_path / "stubs" / "pip.py").write_text(STAND_IN_FOR_PIP)
    code = hosted(first_cell(NOTEBOOKS[0]))
    assert "file://" in code
    done = run(f"{IN_COLAB}{code}\nassert repsim.__file__.startswith({str(tmp_path / 'repsim-revisited')!r})")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("repsim-revisited 0.")
    assert (tmp_path / "pip-was-asked").read_text() == "install --quiet -e repsim-revisited[lab]\n"


def test_in_colab_an_installed_one_is_used(run, tmp_path):
    (tmp_path / "stubs" / "repsim").symlink_to(ROOT / "repsim")
    done = run(IN_COLAB + first_cell(NOTEBOOKS[0]))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "repsim-revisited").exists()


def test_in_colab_the_wrong_package_is_named(run, tmp_path):
    (tmp_path / "stubs" / "repsim.py").write_text("")
    assert "is another project" in last_line(run(IN_COLAB + first_cell(NOTEBOOKS[0])))
