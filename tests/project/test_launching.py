"""What opens the notebooks elsewhere: development containers, the Docker image and Binder, each by `make env`."""

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

NOT_IN_THE_IMAGE = (".venv/bin/python", "build/_build/html/index.html", "reproduction/results/x.npz", ".snakemake/log")


@pytest.fixture(scope="module")
def dockerfile(root):
    """The instructions of the Dockerfile, as pairs of their name and the rest, without comments."""
    text = (root / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    return [tuple(line.split(maxsplit=1)) for line in lines if line and not line.startswith("#")]


def fits(project, version):
    return SpecifierSet(project["project"]["requires-python"]).contains(f"{version}.0")


def test_the_development_container_is_built_from_a_stage_of_the_dockerfile(root, dockerfile):
    path = root / ".devcontainer" / "devcontainer.json"
    container = json.loads(path.read_text(encoding="utf-8"))
    assert (path.parent / container["build"]["dockerfile"]).resolve() == root / "Dockerfile"
    assert (path.parent / container["build"]["context"]).resolve() == root
    assert container["build"]["target"] in [words.split()[-1] for name, words in dockerfile if name == "FROM"]
    assert container["onCreateCommand"] == "make env"
    assert [path.name for path in path.parent.iterdir()] == [path.name], "one for all notebooks"


def test_the_image_has_a_python_that_fits_and_the_environment(dockerfile, project):
    names = [name for name, _ in dockerfile]
    (first, *_) = [words for name, words in dockerfile if name == "FROM"]
    version, stage = re.fullmatch(r"python:(\d\.\d+)-slim-\w+ AS (\w+)", first).groups()
    assert fits(project, version)
    assert f"{stage} AS" in dict(dockerfile)["FROM"], "the last stage starts from the first"
    assert names.count("COPY") == 1
    assert any(name == "RUN" and words.endswith("make env") for name, words in dockerfile[names.index("COPY") :]), (
        "the environment is made from what was copied"
    )
    assert {"git", "make"} <= {word for name, words in dockerfile if name == "RUN" for word in words.split()}
    assert names.index("USER") < names.index("COPY"), "nothing of it runs as root"


def test_the_image_leaves_out_what_is_made_here_and_nothing_else(root, project_files):
    lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.rstrip("/") for line in lines if line and not line.startswith("#")]

    def left_out(path):
        parents = [parent.as_posix() for parent in Path(path).parents]
        return any(fnmatch(parent, pattern.removeprefix("**/")) for pattern in patterns for parent in parents)

    assert all(left_out(path) for path in NOT_IN_THE_IMAGE)
    assert [path for path in project_files if left_out(path.relative_to(root))] == []


def test_binder_runs_the_notebooks_in_the_environment_of_the_lock(root, tmp_path):
    """Its build, with a `make` that only says what it was asked for and an environment that is there already."""
    (tmp_path / ".binder").mkdir()
    shutil.copy(root / ".binder" / "postBuild", tmp_path / ".binder")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "make").write_text('#!/bin/sh\necho "$@" > asked\n')
    for path in (tmp_path / "make", tmp_path / ".venv" / "bin" / "python"):
        path.chmod(0o755)
    prefix = tmp_path / "server"
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "NB_PYTHON_PREFIX": str(prefix)}
    subprocess.run([tmp_path / ".binder" / "postBuild"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    assert (tmp_path / "asked").read_text() == f"env PYTHON={prefix}/bin/python\n"
    kernel = json.loads((prefix / "share" / "jupyter" / "kernels" / "python3" / "kernel.json").read_text())
    assert kernel["argv"][0] == sys.executable
    for path in (root / "notebooks").glob("*.ipynb"):
        assert json.loads(path.read_text(encoding="utf-8"))["metadata"]["kernelspec"]["name"] == "python3", path
