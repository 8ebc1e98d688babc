"""What the figures compare, as data: the part of a profile that names groups of networks, images and indexes.

Groups may be given as patterns, ``width*``, so that a size that is added to a profile is compared without another line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from repsim.lab.errors import ProfileError, known


@dataclass(frozen=True)
class Comparison:
    """Networks of some groups compared with those of others (`columns`), or among each other where none are named.

    Attributes
    ----------
    name
        What figures ask for.
    groups, columns
        Patterns of group names.
    examples
        Numbers of examples, each a beginning of the larger ones.
    indexes
        Names of indexes.
    split, dataset
        Of the images; without a data set that of each network.
    networks
        How many of each group at most, 0: all.
    diagonal
        Keep only layers at the same place in both networks.
    """

    name: str
    groups: tuple[str, ...]
    examples: tuple[int, ...]
    indexes: tuple[str, ...]
    split: str = "test"
    dataset: str = ""
    columns: tuple[str, ...] = ()
    networks: int = 0
    diagonal: bool = False


@dataclass(frozen=True)
class Within:
    """Groups whose networks' layers are compared with each other, one network at a time."""

    groups: tuple[str, ...]
    examples: tuple[int, ...]
    split: str = "test"
    networks: int = 0


@dataclass(frozen=True)
class WithinClass:
    """Groups whose networks are compared on the images of one class at a time."""

    groups: tuple[str, ...]
    examples: tuple[int, ...]
    split: str = "test"


@dataclass(frozen=True)
class Probes:
    """Groups on whose layers classifiers are trained.

    `examples` training images are fitted, of which the last `held_out` choose the strength, and `test_examples` score.
    """

    groups: tuple[str, ...]
    examples: int
    held_out: int
    test_examples: int
    networks: int = 0


@dataclass(frozen=True)
class Ridge:
    """On how many images, and how many networks, canonical ridge goes from CCA to CKA. 0 networks: all."""

    examples: int
    split: str = "train"
    networks: int = 0


@dataclass(frozen=True)
class Shuffles:
    """What shuffled examples score: of how many, in how many orders, for how many networks of each group."""

    examples: int
    permutations: int
    networks: int


def check_counts(counts: Sequence[int], where: str) -> None:
    """Raise ProfileError unless numbers of examples are positive and rise."""
    if not counts or min(counts) < 1 or list(counts) != sorted(set(counts)):
        raise ProfileError(f"{where}: examples must be positive and rise, found {list(counts)}")


def matching(patterns: Iterable[str], names: Sequence[str], where: str) -> list[str]:
    """Return the names that match any of some patterns, in the order of the patterns and then of the names.

    Raises
    ------
    ProfileError
        If a pattern matches none; the message lists them.
    """
    found: dict[str, None] = {}
    for pattern in patterns:
        matched = [name for name in names if fnmatchcase(name, pattern)]
        if not matched:
            raise ProfileError(f"{where}: {known('group of networks', pattern, names)}")
        found |= dict.fromkeys(matched)
    return list(found)
