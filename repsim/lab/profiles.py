"""Profiles: which networks are trained how, and which measurements are made on what. YAML data, read and checked.

Groups of networks may be given as patterns, ``width*``, so that a size that is added is compared without another line.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, fields, replace
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from annotated_types import Ge, Gt, Lt, MinLen
from pydantic import AfterValidator, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from repsim.lab.errors import LabError, ProfileError, known
from repsim.lab.families import describe
from repsim.lab.transformers.settings import CONFIG, Indexes, Rising, Transformers

NAMES = ("smoke", "laptop", "paper")
Named = TypeVar("Named", "Networks", "Measure", "Comparison")
Setting = TypeVar("Setting")
Form = TypeVar("Form")


def _distinct(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds must differ, found {list(seeds)}")
    return seeds


Split = Literal["train", "test"]
Positive = Annotated[int, Ge(1)]
Count = Annotated[int, Ge(0)]
SomeIndexes = Annotated[Indexes, MinLen(1)]
Counts = Annotated[tuple[Positive, ...], MinLen(1), Rising]  # each a beginning of the larger ones


@dataclass(frozen=True, config=CONFIG)
class Recipe:
    """How a network is trained; why each number is what it is stands in the file of the profile.

    `steps` are fractions of the epochs at which the rate falls to a tenth, in place of a cosine to 0. `weight_decay` is
    decoupled and of kernels only, unless `coupled_decay` adds it to the gradient of each kernel, or of each parameter
    (an L2 term in the loss adds twice its coefficient). Images are shifted by up to `shift` pixels each way; what comes
    in is the mean "colour", black ("zero") or their mirror image ("reflect"). `scaling` gives them mean 0 and deviation
    1 by colour, or brings them into [0, 1] ("unit"). "fan_in" draws all kernels and biases between plus and minus 1 /
    sqrt(fan-in). `biases` are those beside a normalisation. `clip_norm` bounds each gradient array's norm; 0: none.
    """

    epochs: Count
    batch: Positive
    peak_rate: float
    warmup_epochs: Count
    momentum: Annotated[float, Ge(0), Lt(1)]
    weight_decay: float
    shift: Count
    flip: bool
    precision: Literal["float32", "mixed_bfloat16"]
    held_out: Count = 0
    clip_norm: float = 0.0
    optimizer: Literal["sgd", "adam"] = "sgd"
    nesterov: bool = True
    steps: Annotated[tuple[Annotated[float, Gt(0), Lt(1)], ...], Rising] = ()
    coupled_decay: Literal["", "kernels", "all"] = ""
    border: Literal["mean", "zero", "reflect"] = "mean"
    scaling: Literal["colour", "unit"] = "colour"
    initialisation: Literal["he_normal", "fan_in"] = "he_normal"
    biases: bool = False
    norm_momentum: float = 0.9
    norm_epsilon: float = 1e-5

    def inputs(self) -> dict[str, Any]:
        """Return the recipe as JSON values, the part of an artefact's address that it decides.

        Options at their defaults stay out, as does how to train where nothing is.
        """
        defaults = {field.name: field.default for field in fields(self) if field.name != "held_out"}
        given = {name: value for name, value in asdict(self).items() if value != defaults.get(name)}
        if self.epochs == 0:
            untrained = ("epochs", "held_out", "scaling", "initialisation", "biases", "norm_momentum", "norm_epsilon")
            return {name: value for name, value in given.items() if name in untrained}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}

    @model_validator(mode="after")
    def _options_fit_together(self) -> Self:
        if 0 < self.epochs <= self.warmup_epochs:
            raise ValueError(f"{self.epochs} epochs leave none after {self.warmup_epochs} of warm-up")
        if self.optimizer == "adam" and self.momentum:
            raise ValueError(f"optimizer adam has no momentum, which is {self.momentum}; it must be 0")
        if self.optimizer == "adam" and self.nesterov:
            raise ValueError("optimizer adam excludes nesterov; it must be false")
        if self.coupled_decay and not self.weight_decay:
            raise ValueError(f"coupled_decay is {self.coupled_decay!r}, but weight_decay is 0")
        if self.steps and self.warmup_epochs:
            raise ValueError(f"steps exclude warmup_epochs, which are {self.warmup_epochs}; they must be 0")
        return self


@dataclass(frozen=True, config=CONFIG)
class Networks:
    """A group of networks of one architecture, trained on one data set from several seeds by one recipe.

    Figures ask for a group by its name, which is that of the architecture where the profile gives none. `channels` are
    those that differ from the paper's. Minutes of training are those of one network.
    Weights are `committed` unless they are large or made again in seconds; their records are in any case.
    """

    architecture: str
    dataset: str
    seeds: Annotated[tuple[Count, ...], MinLen(1), AfterValidator(_distinct)]
    recipe: Recipe
    minutes: float
    channels: tuple[int, ...] = ()
    name: str = ""
    committed: bool = True

    @model_validator(mode="after")
    def _is_a_network(self) -> Self:
        describe(self.architecture, self.channels)
        if not self.name:
            object.__setattr__(self, "name", self.architecture)
        return self


@dataclass(frozen=True, config=CONFIG)
class Measure:
    """One set of similarity tables: the examples it is measured on and the indexes."""

    name: str
    split: Split
    examples: Positive
    indexes: SomeIndexes


@dataclass(frozen=True, config=CONFIG)
class Comparison:
    """Networks of some groups compared with those of others (`columns`), or among each other where none are named.

    `examples` are each a beginning of the larger ones; without a `dataset` the images are those of each network's own.
    `networks` is how many of each group at most, 0: all. `diagonal` keeps layers at the same place only. `median`: of
    which examples' distances RBF bandwidths are fractions, see :func:`repsim.pairwise`.
    """

    name: str
    groups: tuple[str, ...]
    examples: Counts
    indexes: SomeIndexes
    split: Split = "test"
    dataset: str = ""
    columns: tuple[str, ...] = ()
    networks: Count = 0
    diagonal: bool = False
    median: Literal["exact", "sample"] = "exact"

    @property
    def debiased(self) -> bool:
        """Whether it is of linear CKA in both forms; it is then compared with shuffled examples too."""
        return {"cka_linear", "cka_linear_debiased"} <= set(self.indexes)


@dataclass(frozen=True, config=CONFIG)
class Within:
    """Groups whose networks' layers are compared one network, or one class of images, at a time; 0 networks: all."""

    groups: tuple[str, ...]
    examples: Counts
    split: Split = "test"
    networks: Count = 0


@dataclass(frozen=True, config=CONFIG)
class Probes:
    """Groups on whose layers classifiers are trained.

    `examples` training images are fitted, of which the last `held_out` choose the strength, and `test_examples` score.
    """

    groups: tuple[str, ...]
    examples: Positive
    held_out: Positive
    test_examples: Positive
    networks: Count = 0


@dataclass(frozen=True, config=CONFIG)
class Ridge:
    """On how many images, and how many networks, canonical ridge goes from CCA to CKA. 0 networks: all."""

    examples: Positive
    split: Split = "train"
    networks: Count = 0


@dataclass(frozen=True, config=CONFIG)
class Shuffles:
    """What shuffled examples score: of how many, in how many orders, for how many networks of each group."""

    examples: Positive
    permutations: Positive
    networks: Count


@dataclass(frozen=True, config=CONFIG)
class Cluster:
    """What the jobs of a profile ask a cluster for, as far as it does not follow from the networks.

    Cores and GPUs of the training of one network; cores, MiB and minutes of one measurement.
    """

    training_cpus: int = 1
    training_gpus: int = 0
    measuring_cpus: int = 2
    measuring_mib: int = 12288
    measuring_minutes: int = 480


@dataclass(frozen=True, config=CONFIG)
class Profile:
    """Everything one run of the chain depends on."""

    name: str
    title: str
    networks: tuple[Networks, ...]
    measures: tuple[Measure, ...]
    dimension_examples: Counts
    components_examples: Positive
    subspace_examples: Positive
    comparisons: tuple[Comparison, ...] = ()
    laptop_examples: Counts | None = None  # of what else the laptop profile compares, which is compared here too
    within: Within | None = None
    chance: tuple[str, ...] = ()  # groups: what shuffled examples give in the maps of their first networks
    within_class: Within | None = None
    probes: Probes | None = None
    ridge: Ridge | None = None
    shuffles: Shuffles | None = None
    cluster: Cluster = Cluster()
    transformers: Transformers | None = None

    @model_validator(mode="after")
    def _compares_what_the_laptop_does(self) -> Self:
        if self.laptop_examples:
            own = {comparison.name for comparison in self.comparisons}
            others = [comparison for comparison in load_profile("laptop").comparisons if comparison.name not in own]
            fewer = [replace(comparison, examples=self.laptop_examples, dataset="") for comparison in others]
            object.__setattr__(self, "comparisons", (*self.comparisons, *fewer))
        return self

    @model_validator(mode="after")
    def _groups_are_there(self) -> Self:
        named = {
            "group of networks": [group.name for group in self.networks],
            "measure": [measure.name for measure in self.measures],
            "comparison": [comparison.name for comparison in self.comparisons],
        }
        for what, names in named.items():
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"more than one {what} is called {twice}; give each a name")
        if "test" not in named["measure"]:  # on whose images recipes and networks of others are compared
            raise ValueError(known("measure", "test", named["measure"]))
        patterns = [pattern for comparison in self.comparisons for pattern in comparison.groups + comparison.columns]
        patterns += [name for entry in (self.within, self.within_class, self.probes) if entry for name in entry.groups]
        patterns += self.chance
        matching(patterns, named["group of networks"])
        return self

    def group(self, name: str) -> Networks:
        """Return the group of networks called `name`."""
        return _named(self.networks, f"group of networks in profile {self.name}:", name)

    def measure(self, name: str) -> Measure:
        """Return the measure called `name`."""
        return _named(self.measures, "measure", name)

    def comparison(self, name: str) -> Comparison:
        """Return the comparison called `name`."""
        return _named(self.comparisons, "comparison", name)

    def groups(self, patterns: Iterable[str]) -> list[Networks]:
        """Return the groups whose names match any of some patterns."""
        return [self.group(name) for name in matching(patterns, [group.name for group in self.networks])]

    def jobs(
        self, groups: Collection[str] | None = None, seeds: Collection[int] | None = None
    ) -> list[tuple[Networks, int]]:
        """Return the networks to train as groups and seeds: all, or some; ProfileError if there are none such."""
        chosen = [self.group(name) for name in groups] if groups else self.networks
        jobs = [(group, seed) for group in chosen for seed in group.seeds if not seeds or seed in seeds]
        if not jobs:
            there = "; ".join(f"{group.name}: {', '.join(map(str, group.seeds))}" for group in chosen)
            raise ProfileError(f"profile {self.name} has no seed {', '.join(map(str, seeds or ()))}; known are {there}")
        return jobs


def _named(entries: Sequence[Named], what: str, name: str) -> Named:
    by_name = {entry.name: entry for entry in entries}
    if name not in by_name:
        raise ProfileError(known(what, name, by_name))
    return by_name[name]


def matching(patterns: Iterable[str], names: Sequence[str]) -> list[str]:
    """Return the names that match any pattern, in the patterns' order; ProfileError if one matches none."""
    matched: dict[str, None] = {}
    for pattern in patterns:
        those = [name for name in names if fnmatchcase(name, pattern)]
        if not those:
            raise ProfileError(known("group of networks", pattern, names))
        matched |= dict.fromkeys(those)
    return list(matched)


class _OnceEach(yaml.SafeLoader):
    """Refuses what YAML's reader silently overwrites: a key that comes twice."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        keys = [key.value for key, _ in node.value]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise yaml.constructor.ConstructorError(None, None, f"the key {twice[0]!r} comes twice", node.start_mark)
        return node


def parse_profile(name: str, text: str) -> Profile:
    """Read a profile from YAML text; ProfileError names each place where it is not one."""
    return read_yaml(f"profile {name}", text, Profile, ProfileError, name=name)


def read_yaml(what: str, text: str | bytes, form: type[Form], error: type[LabError], **given: Any) -> Form:
    """Read YAML as what `form` says, beside what is `given`; `error` names each place where it is something else."""
    try:
        values = yaml.load(text, _OnceEach)
        written = json.dumps(given | values if isinstance(values, dict) else values, default=date.isoformat)
    except Exception as reason:  # beside YAMLError: others from impossible dates, numbers, keys and depths
        raise error(f"{what}: not YAML of numbers, texts and dates: {reason}") from None
    try:
        return TypeAdapter(form).validate_json(written)
    except ValidationError as invalid:
        wrong = "; ".join(f"{_place(details['loc'])}{_said(details)}" for details in invalid.errors(include_url=False))
        raise error(f"{what}: {wrong}") from None


def _place(location: tuple[int | str, ...]) -> str:
    """Write ("networks", 1, "recipe") as "networks[1].recipe: "."""
    words = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in location)
    return f"{words.removeprefix('.')}: " if words else ""


def _said(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    shown = error["type"] not in ("missing", "value_error", "unexpected_keyword_argument")
    return f"{message}, found {error['input']!r:.60}" if shown else message


@cache
def load_profile(name: str) -> Profile:
    """Return the profile called `name`, which is read once; ProfileError lists the known ones."""
    if name not in NAMES:
        raise ProfileError(known("profile", name, NAMES))
    return parse_profile(name, (files("repsim.lab") / "profiles" / f"{name}.yml").read_text(encoding="utf-8"))


def required(setting: Setting | None, profile_name: str, entry: str) -> Setting:
    """Return what a profile says of a measurement, or of Transformers; ProfileError if it says nothing."""
    if setting is None:
        raise ProfileError(f"profile {profile_name} has no entry {entry}")
    return setting
