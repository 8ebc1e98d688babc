"""The book's figures: functions from measured numbers to a :class:`Drawing`, which carries its own description."""

from repsim.lab.figures.components import principal_components
from repsim.lab.figures.correspondence import identification, similarity_maps
from repsim.lab.figures.dimension import layers_and_examples, random_widths
from repsim.lab.figures.display import say, show, show_table, svg
from repsim.lab.figures.style import Drawing, title
from repsim.lab.figures.subspace import shared_subspace
from repsim.lab.figures.text import cost_sentence, thresholds_sentence, unchanged_by
from repsim.lab.figures.training import accuracy, learning_curves
from repsim.lab.figures.verdicts import conclude

__all__ = [
    "Drawing",
    "accuracy",
    "conclude",
    "cost_sentence",
    "identification",
    "layers_and_examples",
    "learning_curves",
    "principal_components",
    "random_widths",
    "say",
    "shared_subspace",
    "show",
    "show_table",
    "similarity_maps",
    "svg",
    "thresholds_sentence",
    "title",
    "unchanged_by",
]
