"""What a comparison of two models gives, and what can be done with it."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from repsim.chance import NEAR, Chance
from repsim.engine.arrays import Float64
from repsim.errors import ParameterError, UnknownIndexError
from repsim.identification import numbers
from repsim.indexes import FREE, Index, get_index
from repsim.options import flag, path_option
from repsim.results import Result

_CHANCE = ("mean", "standard_deviation", "z")
_NOT_SAVED = KeyError, ValueError, TypeError, AttributeError, EOFError, IsADirectoryError  # of a file that is another


@dataclass(frozen=True, eq=False)
class Comparison(Result):
    """Similarities of the layers of two models.

    Two are equal if all of their values, names and chance levels are.

    Attributes
    ----------
    values : ndarray
        (La, Lb): entry i, j is the index of layer i of the first model and layer j of the second.
    layers_a : tuple of str
        Names of the first model's layers.
    layers_b : tuple of str
        Names of the second's.
    index : str
        Name of the index.
    chance : Chance, optional
        Its `mean`, `standard_deviation` and `z` are (La, Lb): what the value is by chance, and how far from that it is.
    record : mapping
        How the values came about, such as the number of examples.
    title : str
        What a figure calls the index; if empty, it and `bounds` are those of the index that has the name.
    bounds : tuple of float
        Ends of a figure's colours; those of the values where one is infinite.

    Raises
    ------
    ParameterError
        If `layers_a` or `layers_b` are not different names, or there is not one value for each pair of them.

    See Also
    --------
    repsim.compare : Makes one of two models.
    repsim.best_match : Which layer of the other model each is most like.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.array([[0.9, 0.4, 0.1], [0.3, 0.6, 0.7]])
    >>> comparison = Comparison(values, ("conv1", "conv2"), ("conv1", "conv2", "pool"), "cka_linear")
    >>> from repsim import best_match
    >>> [comparison.layers_b[j] for j in best_match(comparison.values)]
    ['conv1', 'pool']
    """

    values: Float64
    layers_a: tuple[str, ...]
    layers_b: tuple[str, ...]
    index: str
    chance: Chance[Float64] | None = None
    record: Mapping[str, Any] = field(default_factory=dict, compare=False)
    title: str = field(default="", compare=False)
    bounds: tuple[float, float] = field(default=FREE, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", numbers("values", self.values))
        given: Any
        for side, given in (("layers_a", self.layers_a), ("layers_b", self.layers_b)):
            names = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (None,)
            if not all(isinstance(name, str) for name in names):
                raise ParameterError(f'{side} is {given!r}; names of layers are needed, as in ("conv1", "pool")')
            if len(set(names)) < len(names):
                raise ParameterError(f"{side} is {names!r}; each layer is named once")
            object.__setattr__(self, side, names)
        layers = len(self.layers_a), len(self.layers_b)
        for name, table in self._tables().items():
            if (shape := np.shape(table)) != layers:
                raise ParameterError(
                    f"{name} has shape {shape}, and there are {layers[0]} and {layers[1]} names of layers; "
                    f"a table of shape {layers} is needed"
                )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all of it to an .npz file, which is named exactly as `path` says.

        A file that is there is replaced, once the new one is whole.

        Parameters
        ----------
        path : path
            Where to write.

        Raises
        ------
        ParameterError
            If `path` is no path, is there and no file, or is in a folder that is not there; or if `record` does not fit
            into JSON.

        See Also
        --------
        repsim.Comparison.load : Reads it.
        """
        target, arrays = path_option("path", path, "a file").resolve(), self._arrays()
        if not target.parent.is_dir():
            raise ParameterError(f"path is {str(path)!r}, in a folder that is not there; make it first")
        if target.exists() and not target.is_file():
            raise ParameterError(f"path is {str(path)!r}, which is no file that could be replaced; give another name")
        partial = target.with_name(f"{target.name}.part")
        try:
            with partial.open("wb") as file:
                np.savez(file, **arrays)
            os.replace(partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Comparison:
        """Read what `save` wrote.

        Parameters
        ----------
        path : path
            An .npz file.

        Returns
        -------
        Comparison
            Equal to the one that was saved.

        Raises
        ------
        ParameterError
            If `path` is no path, or the file is another one.

        See Also
        --------
        repsim.Comparison.save : Writes it.

        Examples
        --------
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "layers.npz")
        ...     Comparison([[0.9, 0.4]], ["conv1"], ["conv1", "pool"], "cka_linear").save(path)
        ...     Comparison.load(path).layers_b
        ('conv1', 'pool')
        """
        saved = path_option("path", path, "a file")
        try:
            with saved.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            index, record = str(arrays["index"]), dict(json.loads(str(arrays["record"])))
            names = [tuple(map(str, arrays[side])) for side in ("layers_a", "layers_b")]
            chance = None
            if any(name.startswith("chance_") for name in arrays):
                chance = Chance(*(arrays[f"chance_{name}"] for name in _CHANCE))
            # Older files have neither.
            title, (low, high) = str(arrays.get("title", "")), map(float, arrays.get("bounds", FREE))
            return cls(arrays["values"], names[0], names[1], index, chance, record, title, (low, high))
        except (*_NOT_SAVED, zipfile.BadZipFile) as error:
            raise ParameterError(
                f"path is {str(path)!r}, which is no file that Comparison.save wrote ({error})"
            ) from error

    def to_frame(self) -> Any:
        """Return the values as a pandas DataFrame, rows and columns named by layer.

        Returns
        -------
        pandas.DataFrame
            (La, Lb).

        Raises
        ------
        ImportError
            If pandas is not installed.

        See Also
        --------
        repsim.Comparison.plot : Draws them.

        Examples
        --------
        >>> frame = Comparison([[0.9, 0.4]], ["conv1"], ["conv1", "pool"], "cka_linear").to_frame()
        >>> print(frame.loc["conv1", "pool"])
        0.4
        """
        try:
            import pandas
        except ImportError:
            raise ImportError("to_frame needs pandas, which is not installed: pip install pandas") from None
        return pandas.DataFrame(
            self.values,
            index=pandas.Index(self.layers_a, name="layers_a"),
            columns=pandas.Index(self.layers_b, name="layers_b"),
        )

    def plot(self, ax: Any = None, *, chance: bool = False) -> Any:
        """Draw the values as a map, the first layers at the bottom left, with a dot at each row's best match.

        Colours go from the least to the greatest value of the index, where it has bounds, so that maps can be compared;
        of debiased CKA from 0 to 1. Names of layers are drawn as they are, and none of it as a formula.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default a new figure.
        chance : bool
            Hatch what lies within 5 standard deviations of chance, which says nothing.

        Returns
        -------
        matplotlib.axes.Axes
            With the map; `ax.figure.savefig("map.svg")` keeps it.

        Raises
        ------
        ParameterError
            If `chance` is asked for and was not computed.
        ImportError
            If matplotlib is not installed.

        See Also
        --------
        repsim.Comparison.to_frame : The values by name.
        """
        if flag("chance", chance) and self.chance is None:
            raise ParameterError("chance is True and there is none here; compute it with compare(..., chance=True)")
        try:
            import matplotlib.pyplot as plt
        except ImportError:
            raise ImportError("plot needs matplotlib, which is not installed: pip install matplotlib") from None
        rows, columns = self.values.shape
        ax = ax or plt.subplots(figsize=(2.5 + 0.22 * columns, 1.8 + 0.22 * rows), layout="constrained")[1]
        label, limits = self._scale()
        image = ax.imshow(self.values, origin="lower", cmap="magma", interpolation="nearest", **limits)
        self._mark(ax, chance)
        ax.set_xticks(range(columns), self.layers_b, rotation=90, parse_math=False)
        ax.set_yticks(range(rows), self.layers_a, parse_math=False)
        ax.figure.colorbar(image, ax=ax, label=label)
        return ax

    def _scale(self) -> tuple[str, dict[str, float]]:
        """Return the index's title and the ends of its colours; those of an unknown index are the values'."""
        title, ends = self.title, self.bounds
        if not title:
            try:
                title, ends = scale_of(get_index(self.index))
            except (ParameterError, UnknownIndexError):
                title = self.index
        return title, dict(zip(("vmin", "vmax"), ends, strict=True)) if np.isfinite(ends).all() else {}

    def _mark(self, ax: Any, chance: bool) -> None:
        """Put a dot at each row's best match, and hatch what is near chance."""
        from matplotlib.patches import Rectangle

        defined = ~np.isnan(self.values).all(axis=1)
        best = np.where(np.isnan(self.values), -np.inf, self.values).argmax(axis=1)
        ax.plot(best[defined], np.flatnonzero(defined), "o", color="white", markeredgecolor="black", markersize=4)
        near = np.argwhere(np.abs(self.chance.z) <= NEAR) if chance and self.chance is not None else ()
        for i, j in near:
            ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, hatch="///", edgecolor="grey", linewidth=0))

    def _tables(self) -> dict[str, Float64]:
        """Return what has a number for each pair of layers."""
        levels = {} if self.chance is None else {f"chance_{name}": getattr(self.chance, name) for name in _CHANCE}
        return {"values": self.values, **levels}

    def _arrays(self) -> dict[str, Any]:
        """Return what `save` writes."""
        try:
            record = json.dumps(dict(self.record), default=str)
        except (TypeError, ValueError) as error:
            raise ParameterError(
                f"record is {self.record!r}, which JSON cannot hold ({error}); a mapping with strings as keys is needed"
            ) from error
        return {
            **self._tables(),
            "layers_a": np.array(self.layers_a, dtype=str),
            "layers_b": np.array(self.layers_b, dtype=str),
            "index": np.array(self.index),
            "title": np.array(self.title),
            "bounds": np.array(self.bounds),
            "record": np.array(record),
        }


def scale_of(index: Index) -> tuple[str, tuple[float, float]]:
    """Return what a figure calls an index, and the ends of its colours."""
    return index.title, (0.0, 1.0) if index.debiased and index.own else index.bounds
