"""The numbers behind the claims: functions from arrays to the quantities that ``book/claims.yml`` judges."""

from repsim.lab.findings.architectures import FIGURE_5, FIGURE_F8, figure_5, figure_f8, match_path
from repsim.lab.findings.classes import figure_f7
from repsim.lab.findings.compared import Compared, ComparedError
from repsim.lab.findings.components import best_rotation, explained, figure_1
from repsim.lab.findings.correspondence import (
    FIGURE_2,
    FIGURE_2_PANELS,
    FIGURE_F3,
    TABLE_2,
    debiasing,
    figure_2,
    figure_f3,
    map_values,
    match_path_tau,
    mean_map,
    mistakes,
    other_indexes,
    p_value,
    ridge_path,
    score,
    table_2,
    table_2_claims,
)
from repsim.lab.findings.datasets import dataset_curves, figure_7
from repsim.lab.findings.depth import (
    DEPTHS,
    depth_accuracies,
    depth_probes,
    depth_similarities,
    plateau,
    similar_to_last,
)
from repsim.lab.findings.dimension import contrast, meaningful_range, random_widths
from repsim.lab.findings.estimators import above_shuffles, groups_above_shuffles, robustness
from repsim.lab.findings.initialisation import figure_f4
from repsim.lab.findings.invariances import (
    TABLE_1,
    claimed_invariances,
    largest_changes,
    table_1_row,
    without_networks,
)
from repsim.lab.findings.normalisation import figure_f6, normalisation_gain
from repsim.lab.findings.questions import (
    ask_correspondence,
    ask_depth,
    ask_figure_5,
    ask_figure_6,
    ask_figure_7,
    ask_figure_f4,
    ask_figure_f6,
    ask_figure_f7,
    ask_figure_f8,
    ask_residual,
)
from repsim.lab.findings.residual import ResidualError, block_places, figure_4
from repsim.lab.findings.subspace import figure_8, median_cosines, shared_dimension, shared_dimensions
from repsim.lab.findings.tables import Tables, available, saturated_layers
from repsim.lab.findings.theory import equation
from repsim.lab.findings.training import accuracies, cost, family_accuracies, paper_accuracy
from repsim.lab.findings.width import WidthCurves, figure_6, width_curves

__all__ = [
    "DEPTHS",
    "FIGURE_2",
    "FIGURE_2_PANELS",
    "FIGURE_5",
    "FIGURE_F3",
    "FIGURE_F8",
    "TABLE_1",
    "TABLE_2",
    "Compared",
    "ComparedError",
    "ResidualError",
    "Tables",
    "WidthCurves",
    "above_shuffles",
    "accuracies",
    "ask_correspondence",
    "ask_depth",
    "ask_residual",
    "ask_figure_5",
    "ask_figure_6",
    "ask_figure_7",
    "ask_figure_f4",
    "ask_figure_f6",
    "ask_figure_f7",
    "ask_figure_f8",
    "available",
    "best_rotation",
    "block_places",
    "claimed_invariances",
    "contrast",
    "cost",
    "dataset_curves",
    "debiasing",
    "depth_accuracies",
    "depth_probes",
    "depth_similarities",
    "equation",
    "explained",
    "family_accuracies",
    "figure_1",
    "figure_2",
    "figure_4",
    "figure_5",
    "figure_6",
    "figure_7",
    "figure_8",
    "figure_f3",
    "figure_f4",
    "figure_f6",
    "figure_f7",
    "figure_f8",
    "groups_above_shuffles",
    "largest_changes",
    "map_values",
    "match_path",
    "match_path_tau",
    "mean_map",
    "mistakes",
    "meaningful_range",
    "median_cosines",
    "normalisation_gain",
    "other_indexes",
    "p_value",
    "paper_accuracy",
    "plateau",
    "random_widths",
    "robustness",
    "saturated_layers",
    "ridge_path",
    "score",
    "shared_dimension",
    "shared_dimensions",
    "similar_to_last",
    "table_1_row",
    "table_2",
    "table_2_claims",
    "width_curves",
    "without_networks",
]
