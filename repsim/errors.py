"""Named errors and warnings: what can be wrong with a representation, and what cannot be measured."""

from __future__ import annotations

from collections.abc import Iterable


class RepresentationError(ValueError):
    """A representation that no similarity index can be computed from; base class of the others."""


class DimensionError(RepresentationError):
    """An array that is neither (examples, features) nor (examples, height, width, channels)."""


class ShapeMismatchError(RepresentationError):
    """Two representations of different numbers of examples."""


class TooFewExamplesError(RepresentationError):
    """Fewer examples than are needed: two; four for debiased forms, chance and linear predictivity."""


class DTypeError(RepresentationError, TypeError):
    """An element type that is not a real number."""


class NonFiniteError(RepresentationError):
    """A NaN or an infinity among the values, or a result that does not fit a float64."""


class ConstantRepresentationError(RepresentationError):
    """A representation that is the same for every example, so that nothing is left after centring."""


class UndefinedSimilarityError(RepresentationError):
    """A similarity that would be 0/0 although the representation is not constant."""


class ParameterError(ValueError):
    """An option outside what it may be, such as a bandwidth of zero."""


class UnknownIndexError(KeyError):
    """The name of an index that does not exist; the message lists those that do."""

    def __init__(self, name: object, known: Iterable[str]) -> None:
        self.name = name
        self.known = tuple(known)
        super().__init__(name)

    def __reduce__(self) -> tuple[type, tuple[object, tuple[str, ...]]]:
        return type(self), (self.name, self.known)

    def __str__(self) -> str:
        return (
            f"unknown index {self.name!r}. Known: {', '.join(self.known)}; "
            "any fraction and threshold can be named, as in cka_rbf_0.3, cka_rbf_0.3_debiased, "
            "hsic_rbf_0.3, svcca_r2_0.5, svcca_mean_0.9 and canonical_ridge_10; beyond the paper: rsa, mutual_knn_10, "
            "linear_predictivity"
        )


class RankSaturationWarning(UserWarning):
    """Ranks that add up to more than n - 1, so that a CCA-type index is forced, in part or, at n - 1, as a whole."""


class BiasWarning(UserWarning):
    """Biased CKA that is little more than what its bias makes of unrelated representations.

    With few examples beside the number of features biased CKA tends to 1 whatever is compared; `repsim.chance` says
    how near a value is to that.
    """
