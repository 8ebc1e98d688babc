"""What is built for installation: wheel and sdist hold a package that works with what it requires and no more."""

import os
import subprocess
import sys
import sysconfig
import zipfile

import pytest

from repsim.lab.unpacking import unpack_tar

REQUIRED = ("numpy", "scipy", "array_api_compat", "threadpoolctl")
COMPARED = """
import sys
import numpy as np
import repsim
x = np.arange(24.0).reshape(8, 3) ** 2
heavy = [name for name in ("tensorflow", "keras", "torch") if name in sys.modules]
print(repsim.__file__, round(repsim.cka(x, 2 * x), 9), heavy)
"""


def built(folder, target, out):
    """Build a wheel or an sdist from a folder with the project's own build backend, without a network."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(out)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (path,) = out.iterdir()
    return path


@pytest.fixture(scope="module", params=["wheel", "wheel of the sdist"])
def installed(request, root, tmp_path_factory):
    """A folder with nothing but the package and what it requires."""
    source, site = root, tmp_path_factory.mktemp("site")
    if request.param != "wheel":
        sdist, unpacked = built(root, "sdist", tmp_path_factory.mktemp("sdist")), tmp_path_factory.mktemp("unpacked")
        unpack_tar(sdist, unpacked)
        source = unpacked / sdist.name.removesuffix(".tar.gz")
    with zipfile.ZipFile(built(source, "wheel", tmp_path_factory.mktemp("wheel"))) as wheel:
        wheel.extractall(site)
    for name in REQUIRED:
        for path in (one for one in os.scandir(sysconfig.get_path("purelib")) if one.name.startswith(name)):
            (site / path.name).symlink_to(path.path)
    return site


def run(site, *arguments):
    """Run Python where nothing but that folder can be imported from."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [sys.executable, "-S", *arguments]
    environment["PYTHONPATH"] = str(site)
    return subprocess.run(command, cwd=site, env=environment, capture_output=True, text=True, check=False)


def test_it_compares_without_a_network_library(installed):
    done = run(installed, "-c", COMPARED)
    assert done.stdout == f"{installed / 'repsim' / '__init__.py'} 1.0 []\n", done.stderr


def test_it_is_typed_and_holds_the_profiles(installed):
    assert (installed / "repsim" / "py.typed").exists()
    assert list((installed / "repsim" / "lab" / "profiles").glob("*.yml"))


def test_the_experiments_name_the_extra_that_they_need(installed):
    done = run(installed, "-m", "repsim.lab", "plan", "smoke")
    assert done.returncode == 1
    assert done.stderr == (
        "repsim-lab needs the experiments' packages, and typer is missing: install repsim-revisited[lab]\n"
    )
