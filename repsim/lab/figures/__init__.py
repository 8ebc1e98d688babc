"""The book's figures: functions from measured numbers to a :class:`Drawing`, which carries its own description.

A public name of any of these modules can be had from the package itself: ``figures.show`` is that of ``display``.
"""

from repsim.lab import names_of

__getattr__ = names_of(__name__, __path__)
