"""One research object of everything, and its certification by a third person."""

from repsim.lab.archives.certification import certify
from repsim.lab.archives.checks import Certificate, CertificationError, Check
from repsim.lab.archives.writing import archive
from repsim.lab.unpacking import ArchiveError

__all__ = ["ArchiveError", "Certificate", "CertificationError", "Check", "archive", "certify"]
