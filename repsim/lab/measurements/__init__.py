"""What the figures are drawn from: each measurement is an artefact made from the trained networks of a profile.

Every function asks the store first, so a figure can be drawn from committed results without any data or network.
"""

from repsim.lab.measurements.between import between
from repsim.lab.measurements.common import GROUP, VERSION, networks, saturation_is_recorded
from repsim.lab.measurements.components import COMPONENTS_LAYER, components
from repsim.lab.measurements.dimension import DIMENSION_INDEXES, dimension
from repsim.lab.measurements.null import null_between, null_within
from repsim.lab.measurements.probes import probes
from repsim.lab.measurements.ridge import ridge
from repsim.lab.measurements.steps import steps
from repsim.lab.measurements.subspace import subspace
from repsim.lab.measurements.tables import saturated_layers, tables
from repsim.lab.measurements.within import WITHIN_INDEXES, within
from repsim.lab.measurements.within_class import within_class

__all__ = [
    "COMPONENTS_LAYER",
    "DIMENSION_INDEXES",
    "GROUP",
    "VERSION",
    "WITHIN_INDEXES",
    "between",
    "components",
    "dimension",
    "networks",
    "null_between",
    "null_within",
    "probes",
    "ridge",
    "saturated_layers",
    "saturation_is_recorded",
    "steps",
    "subspace",
    "tables",
    "within",
    "within_class",
]
