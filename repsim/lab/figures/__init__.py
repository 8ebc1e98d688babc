"""The book's figures: functions from measured numbers to a :class:`Drawing`, which carries its own description."""

from repsim.lab.figures.answers import answered, answers_sentence, show_answers
from repsim.lab.figures.components import principal_components
from repsim.lab.figures.correspondence import identification, ridge_path, similarity_maps
from repsim.lab.figures.curves import dataset_curves, probe_curves, width_curves
from repsim.lab.figures.dimension import layers_and_examples, random_widths
from repsim.lab.figures.display import say, show, show_table, svg
from repsim.lab.figures.maps import architecture_maps, index_maps, layer_maps, residual_maps, within_maps
from repsim.lab.figures.recipes import confusions, missing_sentence, recipe_curves, recipe_facts
from repsim.lab.figures.style import Drawing, network, title
from repsim.lab.figures.subspace import shared_subspace
from repsim.lab.figures.text import cost_sentence, sample, thresholds_sentence, unchanged_by
from repsim.lab.figures.training import accuracy, learning_curves
from repsim.lab.figures.verdicts import conclude
from repsim.lab.wording import number

__all__ = [
    "Drawing",
    "accuracy",
    "answered",
    "answers_sentence",
    "architecture_maps",
    "conclude",
    "confusions",
    "cost_sentence",
    "dataset_curves",
    "identification",
    "index_maps",
    "layer_maps",
    "layers_and_examples",
    "learning_curves",
    "missing_sentence",
    "network",
    "number",
    "principal_components",
    "probe_curves",
    "recipe_curves",
    "recipe_facts",
    "random_widths",
    "residual_maps",
    "sample",
    "ridge_path",
    "say",
    "shared_subspace",
    "show",
    "show_answers",
    "show_table",
    "similarity_maps",
    "svg",
    "thresholds_sentence",
    "title",
    "unchanged_by",
    "width_curves",
    "within_maps",
]
