"""The named errors of the experiments: each message says what was wrong and what would be right."""

from __future__ import annotations

from collections.abc import Iterable


class LabError(Exception):
    """Base of every error that the experiments raise on purpose; the command line prints it without traceback."""


class ProfileError(LabError, ValueError):
    """A profile that does not exist, or whose contents are not those of a profile."""


class UnknownNetworkError(LabError, ValueError):
    """A network architecture that is not known."""


class DataError(LabError, ValueError):
    """A data set that is missing, unreachable, truncated or altered; a ValueError, which pydantic reports."""


class DamagedArtefactError(LabError):
    """An artefact whose bytes are not those that its record promises."""


class StorageError(LabError):
    """A file that cannot be written: a full disk, or a folder that may not be written into."""


class TrainingError(LabError):
    """Networks that could not be trained, each in a process of its own."""


class MissingArtefactError(LabError):
    """An artefact that has not been made, where nothing is to be made."""


def known(noun: str, name: object, names: Iterable[str]) -> str:
    """Return the sentence for an unknown `name` of what `noun` says, listing the known ones."""
    return f"unknown {noun} {name!r}; known are: {', '.join(sorted(names))}"
