"""Compare activations in files: python -m repsim a.npz b.npz --index cka_linear --out c.npz --plot c.svg."""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from repsim.compare import compare
from repsim.comparison import Comparison
from repsim.errors import ParameterError, RepresentationError, UnknownIndexError
from repsim.tapping.stores import read_folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        comparison = compare(
            _read(chosen.a),
            _read(chosen.b),
            index=chosen.index,
            chance=chosen.chance,
            undefined="nan" if chosen.nan else "raise",
            progress=sys.stderr.isatty(),
        )
        _give(comparison, chosen.out, chosen.plot, chosen.chance)
    except (ImportError, OSError, ParameterError, RepresentationError, UnknownIndexError) as error:
        print(f"repsim: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m repsim", description="Compare activations in files.")
    parser.add_argument(
        "a", type=Path, help=".npz file of one array for each layer, folder of .npy files, or one of them"
    )
    parser.add_argument("b", type=Path, help="the same for the second model")
    parser.add_argument("--index", default="cka_linear", help="similarity index (cka_linear)")
    parser.add_argument("--out", type=Path, help="write an .npz file that Comparison.load reads")
    parser.add_argument("--plot", type=Path, help="draw the map into a file, such as .svg; needs matplotlib")
    parser.add_argument("--chance", action="store_true", help="also what CKA is by chance; hatched in the map")
    parser.add_argument("--nan", action="store_true", help="NaN for layers that no similarity is defined for")
    return parser


def _give(comparison: Comparison, out: Path | None, plot: Path | None, chance: bool) -> None:
    """Write and draw what is asked for, or else print."""
    if out:
        comparison.save(out)
    if plot:
        try:
            comparison.plot(chance=chance).figure.savefig(plot)
        except ValueError as error:  # of a kind of file that matplotlib does not write
            raise ParameterError(f"--plot {plot}: {error}") from None
    if not (out or plot):
        _print(comparison)


def _read(path: Path) -> Mapping[str, Any]:
    """Return arrays by the names of their layers."""
    try:
        if path.is_dir():
            arrays = read_folder(path)
            if not arrays:
                raise ParameterError(f"{path} is a folder without .npy files; activations by layer are needed")
            return arrays
        file = np.load(path, allow_pickle=False, mmap_mode="r")
        if isinstance(file, np.ndarray):
            return {path.stem: file}
        with file:
            return {name: file[name] for name in file.files}
    except ParameterError:
        raise
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ParameterError(f"{path}: no .npz or .npy files of numbers; activations by layer are needed") from error


def _print(comparison: Comparison) -> None:
    width = max(map(len, comparison.layers_a))
    columns = [max(len(name), 6) for name in comparison.layers_b]
    print(" " * width, *(name.rjust(w) for name, w in zip(comparison.layers_b, columns, strict=True)))
    for name, row in zip(comparison.layers_a, comparison.values, strict=True):
        print(name.ljust(width), *(f"{value:{w}.3f}" for value, w in zip(row, columns, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
