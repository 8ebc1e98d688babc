"""Compare activations in files: python -m repsim a.npz b.npz --index cka_linear --out c.npz --plot c.svg."""

from __future__ import annotations

import argparse
import os
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from repsim.compare import compare
from repsim.comparison import Comparison
from repsim.errors import ParameterError, RepresentationError, UnknownIndexError
from repsim.tapping.stores import read_file, read_folder

_PYTHONS = re.compile(r"\b(block|memory|pool|resume)=")  # options that messages recommend and this command lacks


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        _check_outputs([chosen.a, chosen.b], {"--out": chosen.out, "--plot": chosen.plot})
        comparison = compare(
            _read(chosen.a),
            _read(chosen.b),
            index=chosen.index,
            chance=chosen.chance,
            undefined="nan" if chosen.nan else "raise",
            progress=sys.stderr.isatty(),
        )
        if chosen.out:
            comparison.save(chosen.out)
        if chosen.plot:
            comparison.plot(chance=chosen.chance).figure.savefig(chosen.plot)
        if not (chosen.out or chosen.plot):
            _print(comparison, comparison.values)
            if comparison.chance is not None:
                print("\nby chance, the mean over all shuffles of the examples")
                _print(comparison, comparison.chance.mean)
    except (ImportError, OSError, ParameterError, RepresentationError, UnknownIndexError) as error:
        print(f"repsim: {_for_a_shell(str(error))}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"repsim: there is not enough memory{f': {error}' if str(error) else ''}", file=sys.stderr)
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


def _check_outputs(inputs: Sequence[Path], outputs: Mapping[str, Path | None]) -> None:
    """Refuse, before anything is computed, what cannot be written or would overwrite another file of the call."""
    taken = {file.resolve() for path in inputs for file in (path.glob("*.npy") if path.is_dir() else [path])}
    for option, path in outputs.items():
        if path is None:
            continue
        if path.is_dir() or not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
            raise ParameterError(f"{option} {path}: the name of a file in a folder that can be written into is needed")
        if path.resolve() in taken:
            raise ParameterError(f"{option} {path} would overwrite another file of this call; give another name")
        taken.add(path.resolve())
    if outputs["--plot"]:
        _check_kind(outputs["--plot"])


def _check_kind(plot: Path) -> None:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("--plot needs matplotlib, which is not installed: pip install matplotlib") from None
    formats = Figure().canvas.get_supported_filetypes()
    if plot.suffix[1:].lower() not in formats:
        raise ParameterError(f"--plot {plot}: the name must end in one of the kinds {', '.join(sorted(formats))}")


def _for_a_shell(message: str) -> str:
    """Return what is said to Python's callers with the options of this command, or where it has none, who has them."""
    message = message.replace("undefined='nan'", "--nan")
    return f"{message} (options of repsim.compare, in Python)" if _PYTHONS.search(message) else message


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
            return {path.stem: read_file(path)}
        with file:
            return {name: _array(path, name, file[name]) for name in file.files}
    except ParameterError:
        raise
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ParameterError(f"{path}: no .npz or .npy files of numbers; activations by layer are needed") from error


def _array(path: Path, name: str, member: Any) -> Any:
    """Return what NumPy found in an archive, where others keep what is no array: PyTorch in its .pt files."""
    if not isinstance(member, np.ndarray):
        raise ParameterError(
            f"{path} is no .npz file of arrays: {name!r} in it is none; write one array for each layer with numpy.savez"
        )
    return member


def _print(comparison: Comparison, table: Any) -> None:
    # What the output cannot hold would end the command once all is computed.
    encoding = sys.stdout.encoding or "utf-8"
    rows, columns = (
        [name.encode(encoding, "backslashreplace").decode(encoding) for name in names]
        for names in (comparison.layers_a, comparison.layers_b)
    )
    width, widths = max(map(len, rows)), [max(len(name), 6) for name in columns]
    print(" " * width, *(name.rjust(w) for name, w in zip(columns, widths, strict=True)))
    for name, row in zip(rows, table, strict=True):
        print(name.ljust(width), *(f"{value:{w}.3f}" for value, w in zip(row, widths, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
