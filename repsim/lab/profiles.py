"""Profiles: which networks are trained how, and which measurements are made on what. YAML data, read and checked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import MISSING, asdict, dataclass, fields, replace
from importlib.resources import files
from typing import Any

import yaml

from repsim.lab.comparisons import Comparison, Probes, Ridge, Shuffles, Within, WithinClass, check_counts, matching
from repsim.lab.errors import ProfileError, UnknownNetworkError, known
from repsim.lab.families import describe

NAMES = ("smoke", "laptop", "paper")
_CHOICES = {
    "optimizer": ("sgd", "adam"),
    "coupled_decay": ("", "kernels", "all"),
    "border": ("mean", "zero", "reflect"),
    "scaling": ("colour", "unit"),
    "initialisation": ("he_normal", "fan_in"),
}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; the profile's file says why each number is what it is.

    Without epochs a network stays as it was initialised.

    Attributes
    ----------
    optimizer : {"sgd", "adam"}
        Stochastic gradient descent with `momentum`, which `nesterov` looks ahead along; or Adam, which has its own.
    peak_rate, warmup_epochs, steps
        The rate rises linearly to its peak and falls along a cosine to 0; or to a tenth at each of `steps`, which are
        fractions of the epochs.
    weight_decay, coupled_decay : float, {"", "kernels", "all"}
        Decoupled, and of kernels only; or this much of each kernel, or of each parameter, is added to its gradient. An
        L2 term in the loss adds twice its coefficient.
    shift, border, flip
        Pixels each way by which images are shifted, and what comes in: the data set's "mean" colour, black ("zero") or
        the image's mirror image ("reflect").
    scaling : {"colour", "unit"}
        Images have mean 0 and deviation 1 by colour, or lie in [0, 1].
    initialisation : {"he_normal", "fan_in"}
        Of convolutions' kernels; or of all kernels and biases, uniform between plus and minus 1 / sqrt(fan-in).
    biases : bool
        Whether convolutions have biases beside their normalisation.
    norm_momentum, norm_epsilon
        Of batch normalisation; Keras's defaults are 0.99 and 0.001.
    clip_norm : float
        Bounds the norm of each weight array's gradient by itself; 0 bounds none.
    """

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
    clip_norm: float = 0.0
    optimizer: str = "sgd"
    nesterov: bool = True
    steps: tuple[float, ...] = ()
    coupled_decay: str = ""
    border: str = "mean"
    scaling: str = "colour"
    initialisation: str = "he_normal"
    biases: bool = False
    norm_momentum: float = 0.9
    norm_epsilon: float = 1e-5

    def inputs(self) -> dict[str, Any]:
        """Return the recipe as JSON values, the part of an artefact's address that it decides.

        Options at their defaults stay out, as does how to train where nothing is.
        """
        defaults = {field.name: field.default for field in fields(Recipe) if field.name != "held_out"}
        given = {name: value for name, value in asdict(self).items() if value != defaults.get(name, MISSING)}
        if self.epochs == 0:
            untrained = ("epochs", "held_out", "scaling", "initialisation", "biases", "norm_momentum", "norm_epsilon")
            return {name: value for name, value in given.items() if name in untrained}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}

    def check(self, where: str) -> None:
        """Refuse options that are none, or exclude each other.

        Raises
        ------
        ProfileError
            The message names the options.
        """
        for name, values in _CHOICES.items():
            if getattr(self, name) not in values:
                raise ProfileError(f"{where}: {name} must be one of {values}, found {getattr(self, name)!r}")
        if 0 < self.epochs <= self.warmup_epochs:
            raise ProfileError(f"{where}: {self.epochs} epochs leave none after {self.warmup_epochs} of warm-up")
        if self.optimizer == "adam" and self.momentum:
            raise ProfileError(f"{where}: optimizer adam has no momentum, which is {self.momentum}; it must be 0")
        if self.optimizer == "adam" and self.nesterov:
            raise ProfileError(f"{where}: optimizer adam excludes nesterov; it must be false")
        if self.coupled_decay and not self.weight_decay:
            raise ProfileError(f"{where}: coupled_decay is {self.coupled_decay!r}, but weight_decay is 0")
        if self.steps and self.warmup_epochs:
            raise ProfileError(f"{where}: steps exclude warmup_epochs, which are {self.warmup_epochs}; they must be 0")
        if list(self.steps) != sorted(set(self.steps)) or not all(0 < step < 1 for step in self.steps):
            raise ProfileError(f"{where}: steps must rise between 0 and 1, found {list(self.steps)}")


@dataclass(frozen=True)
class Networks:
    """A group of networks of one architecture, trained on one data set from several seeds by one recipe.

    Figures ask for a group by its name, which is that of the architecture where the profile gives none. `channels` are
    those that differ from the paper's. Minutes of training and megabytes of representations are those of one network.
    Weights are `committed` unless they are large or made again in seconds; their records are in any case.
    """

    architecture: str
    dataset: str
    seeds: tuple[int, ...]
    recipe: Recipe
    minutes: float
    megabytes: float
    channels: tuple[int, ...] = ()
    name: str = ""
    committed: bool = True

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
class Cluster:
    """What the jobs of a profile ask a cluster for, as far as it does not follow from the networks.

    Cores and GPUs of the training of one network; cores, MiB and minutes of one measurement.
    """

    training_cpus: int = 1
    training_gpus: int = 0
    measuring_cpus: int = 2
    measuring_mib: int = 12288
    measuring_minutes: int = 480


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
    comparisons: tuple[Comparison, ...] = ()
    within: Within | None = None
    within_class: WithinClass | None = None
    probes: Probes | None = None
    ridge: Ridge | None = None
    shuffles: Shuffles | None = None
    cluster: Cluster = Cluster()

    def group(self, name: str) -> Networks:
        """Return the group of networks called `name`."""
        for group in self.networks:
            if group.name == name:
                return group
        raise ProfileError(
            known(f"group of networks in profile {self.name}:", name, [one.name for one in self.networks])
        )

    def measure(self, name: str) -> Measure:
        """Return the measure called `name`."""
        for measure in self.measures:
            if measure.name == name:
                return measure
        raise ProfileError(known("measure", name, [measure.name for measure in self.measures]))

    def comparison(self, name: str) -> Comparison:
        """Return the comparison called `name`."""
        for comparison in self.comparisons:
            if comparison.name == name:
                return comparison
        raise ProfileError(known("comparison", name, [comparison.name for comparison in self.comparisons]))

    def groups(self, patterns: Collection[str]) -> list[Networks]:
        """Return the groups whose names match any of some patterns."""
        names = [group.name for group in self.networks]
        return [self.group(name) for name in matching(patterns, names, f"profile {self.name}")]

    def jobs(
        self, groups: Collection[str] | None = None, seeds: Collection[int] | None = None
    ) -> list[tuple[Networks, int]]:
        """Return the networks to train, as groups and seeds: all, or those of some groups or seeds only.

        Raises
        ------
        ProfileError
            If there is no such group, or none of the groups has any of the seeds.
        """
        chosen = [self.group(name) for name in groups] if groups else self.networks
        found = [(group, seed) for group in chosen for seed in group.seeds if not seeds or seed in seeds]
        if not found:
            there = "; ".join(f"{group.name}: {', '.join(map(str, group.seeds))}" for group in chosen)
            raise ProfileError(f"profile {self.name} has no seed {', '.join(map(str, seeds or ()))}; known are {there}")
        return found


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
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    for field in fields(kind):
        if field.name in values and not _fits(values[field.name], str(field.type)):
            raise ProfileError(f"{where}: {field.name} must be {field.type}, found {values[field.name]!r}")
    return kind(**values)


def _fits(value: Any, annotation: str) -> bool:
    """Say whether a YAML value is of an annotated type; what is not a number, a text or a tuple of them always is."""
    if annotation.startswith("tuple["):
        one = annotation.removeprefix("tuple[").removesuffix(", ...]")
        return isinstance(value, tuple) and all(_fits(part, one) for part in value)
    kinds = {"int": (int,), "float": (int, float), "bool": (bool,), "str": (str,)}
    return annotation not in kinds or type(value) in kinds[annotation]


def _group(entry: Any, where: str) -> Networks:
    """Build a group of networks from a YAML mapping and check what would otherwise fail only when it is trained."""
    if not isinstance(entry, dict):
        raise ProfileError(f"{where}: expected a mapping, found {type(entry).__name__}")
    recipe = _make(Recipe, entry.get("recipe"), f"{where}.recipe")
    group: Networks = _make(Networks, {**entry, "recipe": recipe}, where)
    if not group.seeds:
        raise ProfileError(f"{where}: seeds must not be empty")
    recipe.check(f"{where}.recipe")
    try:
        describe(group.architecture, group.channels)
    except UnknownNetworkError as error:
        raise UnknownNetworkError(f"{where}: {error}") from None
    return group if group.name else replace(group, name=group.architecture)


def parse_profile(name: str, text: str) -> Profile:
    """Read a profile from YAML text.

    Raises
    ------
    ProfileError
        If the text is not YAML or not a profile; the message names the place.
    UnknownNetworkError
        If it asks for a network that there is not.
    """
    try:
        values = yaml.safe_load(text)
    except RecursionError:
        raise ProfileError(f"profile {name}: not YAML that can be read: nested too deeply") from None
    except Exception as error:  # beside YAMLError: ValueError and others, from impossible dates, numbers and keys
        raise ProfileError(f"profile {name}: not YAML: {error}") from None
    if not isinstance(values, dict):
        raise ProfileError(f"profile {name}: expected a mapping, found {type(values).__name__}")
    values = {"name": name, **values}
    for part in ("networks", "measures"):
        if not isinstance(values.get(part), list):
            raise ProfileError(f"profile {name}: {part} must be a list")
    networks = [_group(entry, f"profile {name}: networks[{i}]") for i, entry in enumerate(values["networks"])]
    names = [group.name for group in networks]
    if twice := sorted({one for one in names if names.count(one) > 1}):
        raise ProfileError(f"profile {name}: more than one group of networks is called {twice}; give each a name")
    measures = [_make(Measure, entry, f"profile {name}: measures[{i}]") for i, entry in enumerate(values["measures"])]
    values = {**values, "networks": networks, "measures": measures, **_compared(values, names, f"profile {name}")}
    return _make(Profile, values, f"profile {name}")


def _compared(values: dict[str, Any], names: list[str], where: str) -> dict[str, Any]:
    """Build what is compared and check that there are such groups."""
    listed = values.get("comparisons", [])
    if not isinstance(listed, list):
        raise ProfileError(f"{where}: comparisons must be a list")
    found: dict[str, Any] = {
        "comparisons": [_make(Comparison, one, f"{where}: comparisons[{i}]") for i, one in enumerate(listed)]
    }
    kinds = {"within": Within, "within_class": WithinClass, "probes": Probes, "ridge": Ridge, "shuffles": Shuffles}
    kinds["cluster"] = Cluster
    found |= {key: _make(kind, values[key], f"{where}: {key}") for key, kind in kinds.items() if key in values}
    parts = [*found["comparisons"], *(found[key] for key in ("within", "within_class", "probes") if key in found)]
    for part in parts:
        matching((*part.groups, *getattr(part, "columns", ())), names, where)
        if isinstance(part.examples, tuple):
            check_counts(part.examples, where)
    return found


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
