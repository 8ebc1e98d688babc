"""The registry: Table 1 of the paper as data, and the names that other indexes are found by."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from inspect import signature
from types import MappingProxyType
from typing import Any

from repsim.cca import cca, check_statistic, pwcca, svcca
from repsim.cka import check_kernel, cka, hsic
from repsim.errors import ParameterError, UnknownIndexError
from repsim.kernels import check_bandwidth
from repsim.procrustes import procrustes
from repsim.regression import linear_regression
from repsim.ridge import canonical_ridge, check_ridge

KORNBLITH = "Kornblith et al. (2019)"
SONG = "Song et al. (2007)"

_FUNCTIONS: Mapping[str, Callable[..., float]] = MappingProxyType(
    {
        "cca": cca,
        "svcca": svcca,
        "pwcca": pwcca,
        "linear_regression": linear_regression,
        "hsic": hsic,
        "cka": cka,
        "procrustes": procrustes,
        "canonical_ridge": canonical_ridge,
    }
)


@dataclass(frozen=True)
class Index:
    """A similarity index: what it is called, how it is defined, what leaves it unchanged.

    Attributes
    ----------
    name : str
        Key in `INDEXES`.
    title : str
        What a figure calls it.
    symbol, formula : str
        LaTeX, without dollar signs; `formula` is that of Table 1 for centred X and Y.
    equation : str
        Where the paper defines it.
    base : str
        Name of the public function that computes it.
    parameters : mapping
        Options of that function.
    invertible_linear : {"yes", "second", "same subspace", "no"}
        Whether an invertible linear map of the features leaves it unchanged: of either representation, of the
        second (predicting) one only, of either if the same subspace is kept, or of neither.
    orthogonal, isotropic_scaling : bool
        Whether a rotation of the features, or one factor for all of them, leaves it unchanged.
    symmetric : bool
        Whether exchanging the two representations leaves it unchanged.
    bounds : tuple of float
        Least and greatest value.
    source : str
        Who proposed it in this form, or where it was taken from.
    """

    name: str
    title: str
    symbol: str
    formula: str
    equation: str
    base: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    invertible_linear: str = "no"
    orthogonal: bool = True
    isotropic_scaling: bool = True
    symmetric: bool = True
    bounds: tuple[float, float] = (0.0, 1.0)
    source: str = KORNBLITH

    @property
    def function(self) -> Callable[..., float]:
        """The public function that computes it, before its options."""
        return _FUNCTIONS[self.base]

    def __call__(self, x: Any, y: Any) -> float:
        """Compute the index for two representations of the same examples."""
        return self.function(x, y, **self.parameters)


_HSIC = r"\|Y^T X\|_F^2 / (n-1)^2"
_CKA = r"\|Y^T X\|_F^2 / (\|X^T X\|_F \|Y^T Y\|_F)"
_RBF = r"\mathrm{tr}(KHLH) / \sqrt{\mathrm{tr}(KHKH)\,\mathrm{tr}(LHLH)}"
_U_HSIC = r"\langle\tilde K, \tilde L\rangle / (n(n-3))"
_U_CKA = r"\langle\tilde K, \tilde L\rangle / (\|\tilde K\|_F \|\tilde L\|_F)"
_FREE = (float("-inf"), float("inf"))


def _cca(statistic: str) -> Index:
    mean = statistic == "mean"
    return Index(
        f"cca_{statistic}",
        "CCA (mean)" if mean else "CCA (R²)",
        r"\bar\rho_{CCA}" if mean else r"R^2_{CCA}",
        r"\|Q_Y^T Q_X\|_* / p_1" if mean else r"\|Q_Y^T Q_X\|_F^2 / p_1",
        "8" if mean else "7",
        "cca",
        {"statistic": statistic},
        invertible_linear="yes",
        source="Raghu et al. (2017)" if mean else "Yanai (1974)",
    )


def _svcca(statistic: str, threshold: float, name: str) -> Index:
    mean = statistic == "mean"
    norm = r"\|_*" if mean else r"\|_F^2"
    plain = name == f"svcca_{statistic}"
    return Index(
        name,
        f"SVCCA ({'mean' if mean else 'R²'}{'' if plain else f', {threshold:g}'})",
        r"\bar\rho_{SVCCA}" if mean else r"R^2_{SVCCA}",
        r"\|(U_Y T_Y)^T U_X T_X" + norm + r" / \min(\|T_X\|_F^2, \|T_Y\|_F^2)",
        "Table 1",
        "svcca",
        {"statistic": statistic, "threshold": threshold},
        invertible_linear="same subspace",
        source="Raghu et al. (2017)" if mean else KORNBLITH,
    )


def _rbf(base: str, fraction: float, debiased: bool, name: str) -> Index:
    normalised = base == "cka"
    label = f"RBF {fraction:g}"
    plain, unbiased = (_RBF, _U_CKA) if normalised else (r"\mathrm{tr}(KHLH) / (n-1)^2", _U_HSIC)
    return Index(
        name,
        f"{base.upper()} ({label}, debiased)" if debiased else f"{base.upper()} ({label})",
        rf"\mathrm{{{base.upper()}}}_{{\mathrm{{RBF}}\,{fraction:g}}}",
        unbiased if debiased else plain,
        ("4" if normalised else "3") + (", unbiased HSIC" if debiased else ""),
        base,
        {"kernel": "rbf", "bandwidth": fraction, "debiased": debiased},
        bounds=_FREE if debiased else (0.0, 1.0) if normalised else (0.0, float("inf")),
        source=SONG if debiased else KORNBLITH,
    )


def _linear(base: str, debiased: bool) -> Index:
    normalised = base == "cka"
    title = "CKA" if normalised else "HSIC"
    return Index(
        f"{base}_linear" + ("_debiased" if debiased else ""),
        f"{title} (linear, debiased)" if debiased else f"{title} (linear)",
        rf"\mathrm{{{title}}}",
        (_U_CKA if normalised else _U_HSIC) if debiased else (_CKA if normalised else _HSIC),
        ("4" if normalised else "3") + (", unbiased HSIC" if debiased else ""),
        base,
        {"kernel": "linear", "debiased": debiased},
        isotropic_scaling=normalised,
        bounds=_FREE if debiased else (0.0, 1.0) if normalised else (0.0, float("inf")),
        source=SONG if debiased else KORNBLITH if normalised else "Gretton et al. (2005)",
    )


def _ridge(kappa: float, name: str) -> Index:
    return Index(
        name,
        f"Canonical ridge ({kappa:g})",
        r"\mathrm{CR}",
        r"\|\tilde Q_Y^T \tilde Q_X\|_F^2 / (\|\tilde Q_X\tilde Q_X^T\|_F \|\tilde Q_Y\tilde Q_Y^T\|_F)",
        "27",
        "canonical_ridge",
        {"kappa_x": kappa, "kappa_y": kappa},
        isotropic_scaling=kappa in (0, float("inf")),
        invertible_linear="yes" if kappa == 0 else "no",
        source="Vinod (1976)",
    )


def complete(index: Index) -> Index:
    """Fill in the options that an index leaves to the defaults of its function."""
    if index.base not in _FUNCTIONS:
        raise ParameterError(f"index {index.name!r}: its base is {index.base!r}; known are {', '.join(_FUNCTIONS)}")
    known = [o for o in signature(index.function).parameters.values() if o.kind == o.KEYWORD_ONLY]
    names = [option.name for option in known]
    if unknown := sorted(set(index.parameters) - set(names)):
        raise ParameterError(
            f"index {index.name!r}: {index.base} has no option {unknown[0]!r}; it has: {', '.join(names) or 'none'}"
        )
    options = {option.name: option.default for option in known if option.default is not option.empty}
    options |= index.parameters
    if missing := [name for name in names if name not in options]:
        raise ParameterError(f"index {index.name!r}: {index.base} needs the option {missing[0]!r}")
    if index.base in ("cka", "hsic"):
        options["bandwidth"] = check_kernel(options["kernel"], options["bandwidth"])
    if "statistic" in options:
        check_statistic(options["statistic"])
    if index.base == "canonical_ridge":
        options["kappa_x"], options["kappa_y"] = check_ridge(**options)
    return replace(index, parameters=options)


_TABLE = [
    _cca("mean"),
    _cca("r2"),
    _svcca("mean", 0.99, "svcca_mean"),
    _svcca("r2", 0.99, "svcca_r2"),
    Index(
        "pwcca",
        "PWCCA",
        r"\rho_{PW}",
        r"\sum_i \alpha_i \rho_i / \|\alpha\|_1, \quad \alpha_i = \sum_j |\langle h_i, x_j \rangle|",
        "9",
        "pwcca",
        orthogonal=False,
        symmetric=False,
        source="Morcos et al. (2018)",
    ),
    Index(
        "linear_regression",
        "Linear regression",
        r"R^2_{LR}",
        r"\|Q_Y^T X\|_F^2 / \|X\|_F^2",
        "5",
        "linear_regression",
        invertible_linear="second",
        symmetric=False,
    ),
    _linear("hsic", False),
    _linear("cka", False),
    _rbf("cka", 0.2, False, "cka_rbf_0.2"),
    _rbf("cka", 0.4, False, "cka_rbf_0.4"),
    _rbf("cka", 0.8, False, "cka_rbf_0.8"),
    _linear("hsic", True),
    _linear("cka", True),
    _rbf("cka", 0.4, True, "cka_rbf_0.4_debiased"),
    Index(
        "procrustes",
        "Procrustes",
        r"\rho_P",
        r"\|Y^T X\|_* / (\|X\|_F \|Y\|_F)",
        "appendix D.2",
        "procrustes",
        source="Ding et al. (2021)",
    ),
]

INDEXES: Mapping[str, Index] = MappingProxyType({index.name: index for index in _TABLE})
"""The named indexes, in the order of Table 2 with ours after them."""

_RBF_NAME = re.compile(r"(cka|hsic)_rbf_(\d+(?:\.\d+)?)(_debiased)?")
_RIDGE_NAME = re.compile(r"canonical_ridge_(\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf)")
_SVCCA_NAME = re.compile(r"svcca_(r2|mean)_(\d+(?:\.\d+)?)")


def get_index(name: str | Index) -> Index:
    """Find an index by name.

    Parameters
    ----------
    name : str or Index
        A key of `INDEXES`; or one made up of a family and a number: ``cka_rbf_<fraction>`` and
        ``hsic_rbf_<fraction>``, either with ``_debiased`` after it, ``svcca_r2_<threshold>`` and
        ``svcca_mean_<threshold>``, and ``canonical_ridge_<kappa>``, as strong on both sides and normalised to be 1 for
        equal representations. An `Index` is returned as it is.

    Returns
    -------
    Index
        Callable: ``get_index("cka_linear")(x, y)``.

    Raises
    ------
    UnknownIndexError
        If there is none of that name; the message lists those that there are.

    Examples
    --------
    >>> get_index("svcca_r2_0.5").parameters["threshold"]
    0.5
    """
    if isinstance(name, Index):
        return name
    if not isinstance(name, str):
        raise UnknownIndexError(name, INDEXES)
    if name in INDEXES:
        return INDEXES[name]
    if found := _RBF_NAME.fullmatch(name):
        try:
            fraction = check_bandwidth(float(found[2]))
        except ParameterError:
            raise UnknownIndexError(name, INDEXES) from None
        return _rbf(found[1], fraction, found[3] is not None, name)
    if found := _RIDGE_NAME.fullmatch(name):
        return _ridge(float(found[1]), name)
    if (found := _SVCCA_NAME.fullmatch(name)) and 0 < float(found[2]) <= 1:
        return _svcca(found[1], float(found[2]), name)
    raise UnknownIndexError(name, INDEXES)
