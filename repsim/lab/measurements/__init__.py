"""What the figures are drawn from: each measurement is an artefact made from the trained networks of a profile.

Every function asks the store first, so a figure can be drawn from committed results without any data or network.
"""

from repsim.lab.measurements.common import GROUP, MEDIAN, VERSION, networks, saturation_is_recorded
from repsim.lab.measurements.components import COMPONENTS_LAYER, components
from repsim.lab.measurements.dimension import DIMENSION_INDEXES, dimension
from repsim.lab.measurements.subspace import EIGENVECTORS, subspace
from repsim.lab.measurements.tables import saturated_layers, tables

__all__ = [
    "COMPONENTS_LAYER",
    "DIMENSION_INDEXES",
    "EIGENVECTORS",
    "GROUP",
    "MEDIAN",
    "VERSION",
    "components",
    "dimension",
    "networks",
    "saturated_layers",
    "saturation_is_recorded",
    "subspace",
    "tables",
]
