"""One research object of everything."""

from repsim.lab.archives.layout import ArchiveError
from repsim.lab.archives.writing import archive

__all__ = ["ArchiveError", "archive"]
