"""The registry: Table 1 of the paper as data, with what each index makes of x and of y, and its value of the two.

Of a representation with centred columns X, `LINEAR` makes X X', `RBFGram` the RBF kernel, `PROJECTOR` the projector
Q_X Q_X' onto the columns, ``Projector(threshold)`` that onto the leading principal components. `value` makes the index
of inner products of the two, for all pairs; or `compare` makes it of the two themselves, pair by pair.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from types import MappingProxyType
from typing import Any

import numpy as np

from repsim.cca import PROJECTOR, SINGULAR, cca, mean_correlation, projection_weighted, pwcca, shared_dimensions, svcca
from repsim.cka import LINEAR, chance_of, cka, hsic, independence, normalised_products
from repsim.engine.arrays import Float64
from repsim.engine.bases import check_truncation
from repsim.engine.moments import Wanted, pair_moments
from repsim.engine.operators import Custom, LinearGram, Made, Projector, RBFGram, ShrunkProjector, described
from repsim.engine.pairs import Compared, compare_pair
from repsim.engine.tables import Moments
from repsim.errors import ParameterError, UnknownIndexError
from repsim.kernels import check_bandwidth
from repsim.neighbours import compare_mutual_knn, prepare_mutual_knn
from repsim.notices import warn_of_ranks
from repsim.options import as_number, choice, flag, whole_number
from repsim.predictivity import compare_linear_predictivity, prepare_linear_predictivity
from repsim.procrustes import COMPACT, procrustes, rotated
from repsim.regression import explained, linear_regression
from repsim.ridge import canonical_ridge
from repsim.rsa import compare_rsa, prepare_rsa

KORNBLITH, RAGHU, SONG = "Kornblith et al. (2019)", "Raghu et al. (2017)", "Song et al. (2007)"
FREE = (-math.inf, math.inf)


@dataclass(frozen=True)
class Index:
    """A similarity index: what it is called, how it is defined, what leaves it unchanged.

    Attributes
    ----------
    name : str
        By which it is found, and tables are called.
    title : str
        What a figure calls it.
    symbol : str
        LaTeX, without dollar signs.
    formula : str
        That of Table 1 for centred X and Y, likewise.
    equation : str
        Where the paper defines it.
    x, y : Made
        What is made of either representation, once: `LINEAR`, ``RBFGram(fraction)``, `PROJECTOR`,
        ``Projector(threshold)`` or another of ``repsim.engine.operators``.
    value : callable, optional
        From `Moments`, the inner products of what was made, to a table of values, (len(xs), len(ys)).
    compare : callable, optional
        In place of `value`: from what was made of x and of y to a float.
    own : bool
        Whether `value` needs the inner products of operators with themselves, `Moments.xx` and `Moments.yy`, which are
        refused otherwise.
    debiased : bool
        Whether operators are U-centred (Szekely and Rizzo 2014) in place of centred.
    function : callable, optional
        The public function that gives the same value; of indexes made with `of` or `replace`, None.
    parameters : mapping
        Its options.
    invertible_linear : {"yes", "second", "same subspace", "no"}
        Whether an invertible linear map of the features leaves it unchanged: of either representation, of the
        second (predicting) one only, of either if the same subspace is kept, or of neither.
    orthogonal : bool
        Whether a rotation of the features leaves it unchanged. This and the next say nothing of indexes made with `of`.
    isotropic_scaling : bool
        Whether one factor for all features does.
    symmetric : bool
        Whether exchanging the two representations leaves it unchanged.
    bounds : tuple of float
        Least and greatest value.
    source : str
        Who proposed it in this form, or where it was taken from.

    Raises
    ------
    ParameterError
        If `x` or `y` is not one of these, there is not one of `value` and `compare`, an option is not what it may be,
        or a `value` returns no table of numbers.

    See Also
    --------
    repsim.get_index : By name.
    repsim.pairwise : Takes them, for all pairs of many representations.

    Examples
    --------
    An index of one's own, from the entry that is most like it, of an RBF kernel beside a linear one:

    >>> from dataclasses import replace
    >>> from repsim.indexes import RBFGram
    >>> mixed = replace(INDEXES["cka_linear"], name="cka_mixed", y=RBFGram(0.4), symmetric=False)
    >>> round(mixed([[0.0], [1.0], [3.0]], [[0.0], [1.0], [3.0]]), 3)
    0.723
    """

    name: str
    title: str
    symbol: str
    formula: str
    equation: str
    x: Any
    y: Any
    value: Callable[[Moments], Float64] | None = None
    compare: Callable[[Any, Any], float] | None = None
    own: bool = False
    debiased: bool = False
    function: Callable[..., float] | None = field(default=None, init=False)
    parameters: Mapping[str, Any] = field(default_factory=dict, init=False, hash=False)
    invertible_linear: str = "no"
    orthogonal: bool = True
    isotropic_scaling: bool = True
    symmetric: bool = True
    bounds: tuple[float, float] = (0.0, 1.0)
    source: str = KORNBLITH

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name):
            raise ParameterError(f"name is {self.name!r}; what tables of the index are called is needed")
        for option in ("title", "symbol", "formula", "equation", "source"):
            if not isinstance(text := getattr(self, option), str):
                raise ParameterError(f"{option} is {text!r}; text is needed")
        for option in ("own", "debiased", "orthogonal", "isotropic_scaling", "symmetric"):
            flag(option, getattr(self, option))
        choice("invertible_linear", self.invertible_linear, "yes", "second", "same subspace", "no")
        object.__setattr__(self, "bounds", _ends(self.bounds))
        if (self.value is None) == (self.compare is None):
            raise ParameterError(f"index {self.name!r}: it needs a value or a compare, and not both")
        if not callable(of := self.value or self.compare):
            raise ParameterError(f"index {self.name!r}: {of!r} is no function")
        for side, made in (("x", self.x), ("y", self.y)):
            if not isinstance(made, Made):
                raise ParameterError(
                    f"index {self.name!r}: {side} is {made!r}; what is made of it is needed, as LINEAR"
                )
            if self.debiased and not isinstance(made, LinearGram | RBFGram):
                raise ParameterError(f"index {self.name!r}: debiased forms are of Gram matrices; {side} is {made!r}")

    @property
    def definition(self) -> str:
        """What it computes, in words that are the same in every process."""
        of = self.value or self.compare
        order = "" if self.symmetric else ", in this order"
        return f"{self.name}: {described(of)} of {self.x} and {self.y}{', debiased' if self.debiased else ''}{order}"

    @property
    def asked(self) -> Wanted | Compared:
        """What it asks of the engine."""
        if self.compare is not None:
            return Compared(self.name, self.x, self.y, self.compare, self.symmetric, self.function is None)
        return Wanted(self.x, self.y, self.debiased, self.own)

    @property
    def has_known_chance(self) -> bool:
        """Whether it is CKA, whose mean and deviation over all shuffles of the examples are known."""
        grams = isinstance(self.x, LinearGram | RBFGram) and isinstance(self.y, LinearGram | RBFGram)
        return grams and self.value is normalised_products

    def values(self, moments: Moments) -> Float64:
        """Return the table that `value` makes of moments, and check that it is one."""
        assert self.value is not None
        try:
            returned: Any = self.value(moments)
        except ParameterError as error:
            raise ParameterError(f"index {self.name!r}: {error}") from None
        try:
            table = np.asarray(returned)
            table = table.astype(np.float64) if table.dtype.kind in "iuf" else np.full(moments.xy.shape, np.nan)
        except (TypeError, ValueError):
            table = np.full(moments.xy.shape, np.nan)
        if table.shape != moments.xy.shape or np.isnan(table).any():
            raise ParameterError(
                f"index {self.name!r}: its value returned {returned!r:.100}; numbers of shape {moments.xy.shape} are "
                "needed, none of them NaN"
            )
        return table

    def same_as(self, function: Callable[..., float], **parameters: Any) -> Index:
        """Return the index with the public function, and its options, that give the same value."""
        index = replace(self)
        object.__setattr__(index, "function", function)
        object.__setattr__(index, "parameters", parameters)
        return index

    @classmethod
    def of(
        cls,
        name: str,
        prepare: Callable[[Float64], Any],
        compare: Callable[[Any, Any], float],
        *,
        title: str = "",
        symmetric: bool = True,
        bounds: tuple[float, float] = FREE,
        source: str = "",
    ) -> Index:
        """Make an index of two functions.

        Parameters
        ----------
        name : str
            What tables of it are called.
        prepare : callable
            From a representation, (n, p) in float64, as it was given, to what `compare` needs; called once for each.
        compare : callable
            From what was made of x and of y to a float.
        title : str, optional
            What a figure calls it; the name, if not given.
        symmetric : bool
            Whether ``compare(a, b)`` is ``compare(b, a)``, so that one of them is enough; `pairwise` tries the first
            representation with every other.
        bounds : tuple of float
            Least and greatest value.
        source : str, optional
            Who proposed it.

        Returns
        -------
        Index
            For `pairwise`, `compare` and everything else that takes an index.

        Raises
        ------
        ParameterError
            If an argument is not what it may be; and when it is used, if `compare` returns no number.

        See Also
        --------
        repsim.pairwise : Takes it beside those of the registry.

        Examples
        --------
        >>> import numpy as np
        >>> widths = Index.of("widths", lambda x: x.shape[1], lambda a, b: min(a, b) / max(a, b))
        >>> widths(np.eye(4)[:, :2], np.eye(4)[:, :3])
        0.6666666666666666
        """
        for option, made in (("prepare", prepare), ("compare", compare)):
            if not callable(made):
                raise ParameterError(f"{option} is {made!r}; a function is needed")
        custom = Custom(prepare)
        how: dict[str, Any] = {"symmetric": symmetric, "bounds": bounds, "source": source}
        return cls(name, title or name, "", "", "", custom, custom, compare=compare, **how)

    def __call__(self, x: Any, y: Any) -> float:
        """Compute the index for two representations of the same examples."""
        if isinstance(self.asked, Compared):
            value, ranks = compare_pair(x, y, self.x, self.y, partial(self.asked.value, names=("x", "y")))
            warn_of_ranks(ranks)
            return value
        moments = pair_moments(x, y, self.x, self.y, debiased=self.debiased, own=self.own)
        values = self.values(moments)
        warn_of_ranks(moments)
        if self.has_known_chance:
            chance_of(self.name, moments, values)
        return float(values[0, 0])


def _ends(bounds: Any) -> tuple[float, float]:
    """Return the least and the greatest value of an index, checked to be such."""
    try:
        low, high = map(as_number, () if isinstance(bounds, bytes | bytearray) else bounds)
    except (TypeError, ValueError, OverflowError):
        low = high = math.nan
    if not low < high:
        raise ParameterError(f"bounds is {bounds!r}; the least and the greatest value are needed, as in (0.0, 1.0)")
    return low, high


def _rbf_index(name: str, fraction: float, *, normalised: bool = True, debiased: bool = False) -> Index:
    """CKA and HSIC, equations 4 and 3, of RBF Gram matrices whose bandwidth is this `fraction` of the median."""
    base, gram = "CKA" if normalised else "HSIC", RBFGram(fraction)
    biased = r"\mathrm{tr}(KHLH) / " + (r"\sqrt{\mathrm{tr}(KHKH)\,\mathrm{tr}(LHLH)}" if normalised else "(n-1)^2")
    return Index(
        name,
        f"{base} (RBF {fraction:g}{', debiased' if debiased else ''})",
        rf"\mathrm{{{base}}}_{{\mathrm{{RBF}}\,{fraction:g}}}",
        _debiased(normalised) if debiased else biased,
        ("4" if normalised else "3") + (", unbiased HSIC" if debiased else ""),
        x=gram,
        y=gram,
        value=normalised_products if normalised else independence,
        own=normalised,
        debiased=debiased,
        bounds=FREE if debiased else (0.0, 1.0 if normalised else math.inf),
        source=SONG if debiased else KORNBLITH,
    ).same_as(cka if normalised else hsic, kernel="rbf", bandwidth=fraction, debiased=debiased)


def _debiased(normalised: bool) -> str:
    """Write the formula of a debiased form, in U-centred Gram matrices."""
    divisor = r"(\|\tilde K\|_F \|\tilde L\|_F)" if normalised else "(n(n-3))"
    return r"\langle\tilde K, \tilde L\rangle / " + divisor


def _svcca_index(statistic: str, threshold: float, name: str, title: str = "") -> Index:
    """SVCCA, Table 1: CCA of the leading principal components."""
    mean, made = statistic == "mean", Projector(threshold)
    return Index(
        name,
        title or f"SVCCA ({'mean' if mean else 'R²'}, {threshold:g})",
        r"\bar\rho_{SVCCA}" if mean else r"R^2_{SVCCA}",
        r"\|(U_Y T_Y)^T U_X T_X\|" + ("_*" if mean else "_F^2") + r" / \min(\|T_X\|_F^2, \|T_Y\|_F^2)",
        "Table 1",
        x=made,
        y=made,
        value=None if mean else shared_dimensions,
        compare=mean_correlation if mean else None,
        invertible_linear="same subspace",
        source=RAGHU if mean else KORNBLITH,
    ).same_as(svcca, statistic=statistic, threshold=threshold)


def _ridge_index(kappa: float, name: str) -> Index:
    """Canonical ridge, equation 27: the CKA of shrunk projectors."""
    return Index(
        name,
        f"Canonical ridge ({kappa:g})",
        r"\mathrm{CR}",
        r"\|\tilde Q_Y^T \tilde Q_X\|_F^2 / (\|\tilde Q_X\tilde Q_X^T\|_F \|\tilde Q_Y\tilde Q_Y^T\|_F)",
        "27",
        x=ShrunkProjector(kappa),
        y=ShrunkProjector(kappa),
        value=normalised_products,
        own=True,
        isotropic_scaling=kappa in (0, math.inf),
        invertible_linear="yes" if kappa == 0 else "no",
        source="Vinod (1976)",
    ).same_as(canonical_ridge, kappa_x=kappa, kappa_y=kappa)


_TABLE = [
    Index("cca_mean", "CCA (mean)", r"\bar\rho_{CCA}", r"\|Q_Y^T Q_X\|_* / p_1", "8", x=PROJECTOR, y=PROJECTOR,
          compare=mean_correlation, invertible_linear="yes", source=RAGHU).same_as(cca, statistic="mean"),
    Index("cca_r2", "CCA (R²)", r"R^2_{CCA}", r"\|Q_Y^T Q_X\|_F^2 / p_1", "7", x=PROJECTOR, y=PROJECTOR,
          value=shared_dimensions, invertible_linear="yes", source="Yanai (1974)").same_as(cca, statistic="r2"),
    _svcca_index("mean", 0.99, "svcca_mean", "SVCCA (mean)"),
    _svcca_index("r2", 0.99, "svcca_r2", "SVCCA (R²)"),
    Index("pwcca", "PWCCA", r"\rho_{PW}",
          r"\sum_i \alpha_i \rho_i / \|\alpha\|_1, \quad \alpha_i = \sum_j |\langle h_i, x_j \rangle|", "9",
          x=SINGULAR, y=SINGULAR, compare=projection_weighted, orthogonal=False, symmetric=False,
          source="Morcos et al. (2018)").same_as(pwcca),
    Index("linear_regression", "Linear regression", r"R^2_{LR}", r"\|Q_Y^T X\|_F^2 / \|X\|_F^2", "5", x=LINEAR,
          y=PROJECTOR, value=explained, invertible_linear="second", symmetric=False).same_as(linear_regression),
    Index("hsic_linear", "HSIC (linear)", r"\mathrm{HSIC}", r"\|Y^T X\|_F^2 / (n-1)^2", "3", x=LINEAR, y=LINEAR,
          value=independence, isotropic_scaling=False, bounds=(0.0, math.inf), source="Gretton et al. (2005)",
          ).same_as(hsic, kernel="linear", debiased=False),
    Index("cka_linear", "CKA (linear)", r"\mathrm{CKA}", r"\|Y^T X\|_F^2 / (\|X^T X\|_F \|Y^T Y\|_F)", "4", x=LINEAR,
          y=LINEAR, value=normalised_products, own=True).same_as(cka, kernel="linear", debiased=False),
    _rbf_index("cka_rbf_0.2", 0.2),
    _rbf_index("cka_rbf_0.4", 0.4),
    _rbf_index("cka_rbf_0.8", 0.8),
    Index("hsic_linear_debiased", "HSIC (linear, debiased)", r"\mathrm{HSIC}", _debiased(False), "3, unbiased HSIC",
          x=LINEAR, y=LINEAR, value=independence, debiased=True, isotropic_scaling=False, bounds=FREE, source=SONG,
          ).same_as(hsic, kernel="linear", debiased=True),
    Index("cka_linear_debiased", "CKA (linear, debiased)", r"\mathrm{CKA}", _debiased(True), "4, unbiased HSIC",
          x=LINEAR, y=LINEAR, value=normalised_products, own=True, debiased=True, bounds=FREE, source=SONG,
          ).same_as(cka, kernel="linear", debiased=True),
    _rbf_index("cka_rbf_0.4_debiased", 0.4, debiased=True),
    Index("procrustes", "Procrustes", r"\rho_P", r"\|Y^T X\|_* / (\|X\|_F \|Y\|_F)", "appendix D.2", x=COMPACT,
          y=COMPACT, compare=rotated, source="Ding et al. (2021)").same_as(procrustes),
]  # fmt: skip


@cache
def _knn_index(name: str, k: int) -> Index:
    """Mutual nearest neighbours; each number of them once, so that equal names are equal indexes."""
    prepare = partial(prepare_mutual_knn, k=k)
    return Index.of(
        name, prepare, compare_mutual_knn, title=f"Mutual {k}-NN", bounds=(0.0, 1.0), source="Huh et al. (2024)"
    )


# Indexes that the paper does not compare.
_OTHERS = [
    Index.of("rsa", prepare_rsa, compare_rsa, title="RSA", bounds=(-1.0, 1.0), source="Kriegeskorte et al. (2008)"),
    _knn_index("mutual_knn", 10),
    Index.of("linear_predictivity", prepare_linear_predictivity, compare_linear_predictivity, symmetric=False,
             title="Linear predictivity", bounds=(-math.inf, 1.0), source="Yamins et al. (2014)"),
]  # fmt: skip

INDEXES: Mapping[str, Index] = MappingProxyType({index.name: index for index in _TABLE})
"""The named indexes, in the order of Table 2 with ours after them."""
_NAMED = {index.name: index for index in [*_TABLE, *_OTHERS]}

_NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_RBF_NAME = re.compile(rf"(cka|hsic)_rbf_({_NUMBER})(_debiased)?")
_RIDGE_NAME = re.compile(rf"canonical_ridge_({_NUMBER}|inf)")
_NEIGHBOURS_NAME = re.compile(r"mutual_knn_(\d+)")
_SVCCA_NAME = re.compile(rf"svcca_(r2|mean)_({_NUMBER})")


def get_index(name: str | Index) -> Index:
    """Find an index by name.

    Parameters
    ----------
    name : str or Index
        A key of `INDEXES`; or one made up of a family and a number: ``cka_rbf_<fraction>`` and
        ``hsic_rbf_<fraction>``, either with ``_debiased`` after it, ``svcca_r2_<threshold>`` and
        ``svcca_mean_<threshold>``, and ``canonical_ridge_<kappa>``, as strong on both sides and normalised to be 1 for
        equal representations. Beyond the paper ``rsa``, ``mutual_knn`` or ``mutual_knn_<k>``, and
        ``linear_predictivity``. An `Index` is returned as it is.

    Returns
    -------
    Index
        Callable: ``get_index("cka_linear")(x, y)``.

    Raises
    ------
    UnknownIndexError
        If there is none of that name; the message lists those that there are.
    ParameterError
        If the number in the name is outside its range, as in ``svcca_r2_1.5``.

    See Also
    --------
    repsim.pairwise : Takes the same names.

    Examples
    --------
    >>> import numpy as np
    >>> wide = get_index("cka_rbf_3")
    >>> wide.title, wide.parameters["bandwidth"]
    ('CKA (RBF 3)', 3.0)
    """
    if isinstance(name, Index):
        return name
    index = (_NAMED.get(name) or _of_family(name)) if isinstance(name, str) else None
    if index is None:
        raise UnknownIndexError(name, INDEXES)
    return index


def _of_family(name: str) -> Index | None:
    """Make the index that is named by a family and a number."""
    if rbf := _RBF_NAME.fullmatch(name):
        fraction, debiased = check_bandwidth(float(rbf[2])), rbf[3] is not None
        return _rbf_index(name, fraction, normalised=rbf[1] == "cka", debiased=debiased)
    if ridge := _RIDGE_NAME.fullmatch(name):
        return _ridge_index(float(ridge[1]), name)
    if svd := _SVCCA_NAME.fullmatch(name):
        return _svcca_index(svd[1], check_truncation(float(svd[2]), "variance"), name)
    if neighbours := _NEIGHBOURS_NAME.fullmatch(name):
        return _knn_index(name, whole_number("k", int(neighbours[1]), 1))
    return None
