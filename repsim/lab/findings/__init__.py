"""The numbers behind the claims: functions from arrays to the quantities that ``book/claims.yml`` judges."""

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
    p_value,
    score,
    table_2,
    table_2_claims,
)
from repsim.lab.findings.dimension import contrast, meaningful_range, random_widths
from repsim.lab.findings.invariances import (
    TABLE_1,
    claimed_invariances,
    largest_changes,
    table_1_row,
    without_networks,
)
from repsim.lab.findings.subspace import figure_8, median_cosines, shared_dimension, shared_dimensions
from repsim.lab.findings.tables import Tables, available, saturated_layers
from repsim.lab.findings.theory import equation
from repsim.lab.findings.training import accuracies, cost, paper_accuracy

__all__ = [
    "FIGURE_2",
    "FIGURE_2_PANELS",
    "FIGURE_F3",
    "TABLE_1",
    "TABLE_2",
    "Tables",
    "accuracies",
    "available",
    "best_rotation",
    "claimed_invariances",
    "contrast",
    "cost",
    "debiasing",
    "equation",
    "explained",
    "figure_1",
    "figure_2",
    "figure_8",
    "figure_f3",
    "largest_changes",
    "map_values",
    "match_path_tau",
    "mean_map",
    "meaningful_range",
    "median_cosines",
    "p_value",
    "paper_accuracy",
    "random_widths",
    "saturated_layers",
    "score",
    "shared_dimension",
    "shared_dimensions",
    "table_1_row",
    "table_2",
    "table_2_claims",
    "without_networks",
]
