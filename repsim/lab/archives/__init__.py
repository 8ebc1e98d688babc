"""One research object of everything, and its certification by a third person."""

from repsim.lab.archives.certificates import Certificate, CertificationError, Check
from repsim.lab.archives.certification import certify
from repsim.lab.archives.layout import ArchiveError
from repsim.lab.archives.writing import archive

__all__ = ["ArchiveError", "Certificate", "CertificationError", "Check", "archive", "certify"]
