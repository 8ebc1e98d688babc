"""Similarity of neural network representations: the indexes of Kornblith et al. (2019), in NumPy.

All functions take representations of shape (n, p) or (n, h, w, c), the same n examples for both arguments, centre
the columns themselves and return a Python float unless they say otherwise. `INDEXES` holds Table 1 of the paper
as data; `pairwise` compares many representations at once.
"""

import importlib
import warnings
from pathlib import Path
from types import ModuleType

from repsim.alignment import alignment
from repsim.blocks import Blocks
from repsim.cca import canonical_correlations, cca, orthonormal_basis, pwcca, svcca
from repsim.chance import Chance
from repsim.cka import chance, cka, cka_from_grams, hsic, hsic_from_grams
from repsim.compare import activations, compare
from repsim.comparison import Comparison
from repsim.distance import to_distance
from repsim.errors import (
    BiasWarning,
    ConstantRepresentationError,
    DimensionError,
    DTypeError,
    NonFiniteError,
    ParameterError,
    RankSaturationWarning,
    RepresentationError,
    ShapeMismatchError,
    TooFewExamplesError,
    UndefinedSimilarityError,
    UnknownIndexError,
)
from repsim.identification import (
    Identification,
    best_match,
    diagonal_matches,
    identification_accuracy,
    identify,
)
from repsim.indexes import INDEXES, Index, get_index
from repsim.jackknife import Jackknife, ZTest, jackknife, jackknife_se, jackknife_z_test
from repsim.kernels import centre_gram, gram_linear, gram_rbf, squared_distances, u_centre_gram
from repsim.minibatch import minibatch_cka
from repsim.neighbours import mutual_knn
from repsim.pairwise import pairwise
from repsim.pool import pool
from repsim.predictivity import linear_predictivity
from repsim.procrustes import procrustes
from repsim.regression import linear_regression
from repsim.ridge import canonical_ridge
from repsim.rsa import rsa
from repsim.subspace import SharedSubspace, principal_components, shared_subspace, shared_subspaces
from repsim.uncertainty import Calibration, Convergence, Uncertainty, calibrate, convergence, uncertainty

__version__ = "0.1.0"

__all__ = [
    "INDEXES", "BiasWarning", "Blocks", "Calibration", "Chance", "Comparison", "ConstantRepresentationError",
    "Convergence", "DTypeError", "DimensionError", "Identification", "Index", "Jackknife", "NonFiniteError",
    "ParameterError", "RankSaturationWarning", "RepresentationError", "ShapeMismatchError", "SharedSubspace",
    "TooFewExamplesError", "Uncertainty", "UndefinedSimilarityError", "UnknownIndexError", "ZTest", "__version__",
    "activations", "alignment", "best_match", "calibrate", "canonical_correlations", "canonical_ridge", "cca",
    "centre_gram", "chance", "cka", "cka_from_grams", "compare", "convergence", "diagonal_matches", "get_index",
    "gram_linear", "gram_rbf", "hsic", "hsic_from_grams", "identification_accuracy", "identify", "jackknife",
    "jackknife_se", "jackknife_z_test", "linear_predictivity", "linear_regression", "minibatch_cka", "mutual_knn",
    "orthonormal_basis", "pairwise", "pool", "principal_components", "procrustes", "pwcca", "rsa", "shared_subspace",
    "shared_subspaces", "squared_distances", "svcca", "to_distance", "u_centre_gram", "uncertainty",
]  # fmt: skip


def __getattr__(name: str) -> ModuleType:
    """Import what needs PyTorch when it is first asked for."""
    if name == "torch":
        return importlib.import_module("repsim.torch")
    raise AttributeError(f"module 'repsim' has no attribute {name!r}")


if list(Path(__file__).parents[1].glob("repsim-[0-9]*.dist-info")):
    warnings.warn(
        "another project called repsim is installed in the folder of this one, repsim-revisited, and overwrites its "
        "files: uninstall both, then install the one you want",
        stacklevel=2,
    )
