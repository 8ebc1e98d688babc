"""Profiles: which networks are trained how, and which measurements are made on what. YAML data, read and checked."""

from __future__ import annotations

from dataclasses import MISSING, asdict, dataclass, fields, replace
from importlib.resources import files
from typing import Any

import yaml

from repsim.lab.errors import ProfileError, known

NAMES = ("smoke", "laptop", "paper")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; the profile's file says why each number is what it is."""

    epochs: int
    batch: int
    peak_rate: float
    warmup_epochs: int
    momentum: float
    weight_decay: float
    shift: int
    flip: bool
    precision: str
    held_out: int = 0

    def inputs(self) -> dict[str, Any]:
        """Return the recipe as JSON values, the part of an artefact's address that it decides."""
        return asdict(self)


@dataclass(frozen=True)
class Networks:
    """Networks of one architecture, trained on one data set from several seeds by one recipe."""

    architecture: str
    dataset: str
    seeds: tuple[int, ...]
    recipe: Recipe

    def in_precision(self, precision: str) -> Networks:
        """Return the same networks, trained in another arithmetic."""
        return replace(self, recipe=replace(self.recipe, precision=precision))


@dataclass(frozen=True)
class Measure:
    """One set of similarity tables: the examples it is measured on and the indexes."""

    name: str
    split: str
    examples: int
    indexes: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    """Everything one run of the chain depends on."""

    name: str
    title: str
    networks: tuple[Networks, ...]
    measures: tuple[Measure, ...]
    dimension_examples: tuple[int, ...]
    components_examples: int
    subspace_examples: int
    minutes_per_network: float
    megabytes_per_network: float

    def measure(self, name: str) -> Measure:
        """Return the measure called `name`."""
        for measure in self.measures:
            if measure.name == name:
                return measure
        raise ProfileError(known("measure", name, [measure.name for measure in self.measures]))


def _make(kind: type, values: Any, where: str) -> Any:
    """Build a dataclass from a YAML mapping, naming what is missing or unknown."""
    if not isinstance(values, dict):
        raise ProfileError(f"{where}: expected a mapping, found {type(values).__name__}")
    names = {field.name for field in fields(kind)}
    required = {field.name for field in fields(kind) if field.default is MISSING}
    if unknown := set(values) - names:
        raise ProfileError(f"{where}: unknown {sorted(map(str, unknown))}; known are {sorted(names)}")
    if missing := required - set(values):
        raise ProfileError(f"{where}: {sorted(missing)} missing")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def parse_profile(name: str, text: str) -> Profile:
    """Read a profile from YAML text.

    Raises
    ------
    ProfileError
        If the text is not YAML or not a profile; the message names the place.
    """
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ProfileError(f"profile {name}: not YAML: {error}") from None
    if not isinstance(values, dict):
        raise ProfileError(f"profile {name}: expected a mapping, found {type(values).__name__}")
    values = {"name": name, **values}
    for part in ("networks", "measures"):
        if not isinstance(values.get(part), list):
            raise ProfileError(f"profile {name}: {part} must be a list")
    networks = []
    for number, entry in enumerate(values["networks"]):
        where = f"profile {name}: networks[{number}]"
        if not isinstance(entry, dict):
            raise ProfileError(f"{where}: expected a mapping, found {type(entry).__name__}")
        networks.append(
            _make(Networks, {**entry, "recipe": _make(Recipe, entry.get("recipe"), f"{where}.recipe")}, where)
        )
    measures = [_make(Measure, entry, f"profile {name}: measures[{i}]") for i, entry in enumerate(values["measures"])]
    return _make(Profile, {**values, "networks": networks, "measures": measures}, f"profile {name}")


def load_profile(name: str) -> Profile:
    """Read the profile called `name`.

    Raises
    ------
    ProfileError
        If there is none; the message lists the known ones.
    """
    if name not in NAMES:
        raise ProfileError(known("profile", name, NAMES))
    return parse_profile(name, (files("repsim.lab") / "profiles" / f"{name}.yml").read_text(encoding="utf-8"))
