"""What the figures are drawn from: each measurement is an artefact made from the trained networks of a profile.

Every function asks the store first, so a figure can be drawn from committed results without any data or network.
"""

from repsim.lab.measurements.among import measured_recipes, published, recipe, recipe_groups, trained_members
from repsim.lab.measurements.common import GROUP, VERSION, networks, saturation_is_recorded
from repsim.lab.measurements.null import null_between, null_within
from repsim.lab.measurements.probes import probes
from repsim.lab.measurements.ridge import ridge
from repsim.lab.measurements.similarities import WITHIN_INDEXES, between, tables, within, within_class
from repsim.lab.measurements.steps import steps
from repsim.lab.measurements.tiny10 import COMPONENTS_LAYER, DIMENSION_INDEXES, components, dimension, subspace

__all__ = [
    "COMPONENTS_LAYER",
    "DIMENSION_INDEXES",
    "GROUP",
    "VERSION",
    "WITHIN_INDEXES",
    "between",
    "components",
    "dimension",
    "measured_recipes",
    "networks",
    "null_between",
    "null_within",
    "probes",
    "published",
    "recipe",
    "recipe_groups",
    "ridge",
    "saturation_is_recorded",
    "steps",
    "subspace",
    "tables",
    "trained_members",
    "within",
    "within_class",
]
