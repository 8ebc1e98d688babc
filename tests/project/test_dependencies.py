"""pyproject.toml, requirements.lock and environment.yml say the same."""

import re
import runpy
from importlib.metadata import PackageNotFoundError, distribution

import pytest
import yaml
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

PIN = re.compile(r"^([a-z0-9][\w.-]*)==(\S+)(?: ; ([^\\\n]+?))? \\$((?:\n +--hash=sha256:[0-9a-f]{64}(?: \\)?)+)", re.M)


@pytest.fixture(scope="module")
def lock(root):
    return (root / "requirements.lock").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pins(lock):
    """The pinned version and marker of each package."""
    return {
        name: (Version(version), Marker(marker) if marker else None) for name, version, marker, _ in PIN.findall(lock)
    }


def declared(project):
    """Every dependency of pyproject.toml, those of the extras included, without the references to itself."""
    groups = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    requirements = [Requirement(line) for group in groups for line in group]
    return [requirement for requirement in requirements if requirement.name != project["project"]["name"]]


def test_every_pin_has_a_hash(lock, pins):
    lines = [line for line in lock.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(lines) == len(pins) > 100


def test_pins_satisfy_pyproject(project, pins):
    for requirement in declared(project):
        version, marker = pins[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement
        assert marker is None or marker.evaluate(), requirement


def test_every_python_gets_the_same_numerics(project, pins):
    for line in project["tool"]["uv"]["constraint-dependencies"]:
        requirement = Requirement(line)
        version, marker = pins[requirement.name]
        assert requirement.specifier.contains(version)
        assert marker is None, f"{requirement.name} is pinned for some systems only"


def needed(name, extras, pins, seen):
    """Walk the installed packages from `name`, checking that each one's requirements are pinned and satisfied."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        pytest.fail(f"{name} is not installed: make env")
    for requirement in map(Requirement, lines):
        environments = [{**default_environment(), "extra": extra} for extra in extras or {""}]
        if requirement.marker and not any(requirement.marker.evaluate(environment) for environment in environments):
            continue
        child = canonicalize_name(requirement.name)
        assert child in pins, f"{name} needs {requirement}, which requirements.lock lacks: make lock"
        assert requirement.specifier.contains(pins[child][0], prereleases=True), f"{name} needs {requirement}"
        needed(child, frozenset(requirement.extras), pins, seen)


def test_lock_is_exactly_what_is_needed_here(project, pins):
    seen = set()
    for requirement in declared(project):
        needed(canonicalize_name(requirement.name), frozenset(requirement.extras), pins, seen)
    applicable = {name for name, (_, marker) in pins.items() if marker is None or marker.evaluate()}
    assert applicable == {name for name, _ in seen}


def test_environment_is_the_lock(pins):
    wrong = {}
    for name, (version, marker) in pins.items():
        if marker is None or marker.evaluate():
            try:
                installed = distribution(name).version
            except PackageNotFoundError:
                installed = None
            if installed is None or Version(installed) != version:
                wrong[name] = f"{installed}, not {version}"
    assert not wrong, "make env"


def test_the_other_forms_of_the_environment_are_made_from_the_lock(root, project):
    forms = runpy.run_path(str(root / "workflow" / "environment.py"))["forms"](root)
    assert {name: (root / name).read_text(encoding="utf-8") for name in forms} == forms, "make lock"
    python = project["tool"]["repsim"]["python"]
    assert SpecifierSet(project["project"]["requires-python"]).contains(f"{python}.0")
    assert f"Programming Language :: Python :: {python}" in project["project"]["classifiers"]
    assert f"FROM python:{python}-slim" in forms["Dockerfile"]


def test_conda_environment_is_the_lock(root, pins):
    content = yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))
    *listed, itself = content["dependencies"][-1]["pip"]
    assert {Requirement(line).name: Requirement(line).specifier for line in listed} == {
        name: SpecifierSet(f"=={version}") for name, (version, _) in pins.items()
    }
    assert itself == "-e ."
    assert content["channels"] == ["conda-forge"]
