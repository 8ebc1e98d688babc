"""The numbers behind the claims: functions from arrays to the quantities that ``book/claims.yml`` judges.

A public name of any of these modules can be had from the package itself: ``findings.figure_2`` is that of
``correspondence``.
"""

from types import ModuleType

from repsim.lab.lookup import modules_of, names_of

__getattr__ = names_of(__name__, __path__)


def modules() -> list[ModuleType]:
    """Return the modules, in which each finding declares the claims that it measures."""
    return list(modules_of(__name__, __path__).values())
