"""Notebooks: which run and are in the book, how they run, and the stamp that says what an executed one comes from.

A notebook joins the published book once its results are committed, by a line in ``_toc.yml``. Any other run makes its
results itself, so all notebooks run, and its book contains them all.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import Base64Bytes
from pydantic.dataclasses import dataclass

from repsim.lab.errors import LabError, StorageError
from repsim.lab.repository import REPOSITORY, commit
from repsim.lab.store import clear, digest, machine, part_path, peak_memory_mib, write_json

STAMP = "repsim"  # key of the stamp in the notebook's metadata
KERNEL = "repsim-here"
# Drawings get the same bytes on every run: fixed identifiers, and no date.
DRAWING_SETTINGS = "svg.hashsalt: repsim\nsvg.fonttype: path\n"
KERNEL_ENVIRONMENT = {"SOURCE_DATE_EPOCH": "0", "PYTHONHASHSEED": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
PLAIN_KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


class NotebookError(LabError):
    """A notebook that cannot be read or did not run to its end."""


def contents(published: bool, root: Path = REPOSITORY) -> dict[str, Any]:
    """Return the table of contents of the book: of ``_toc.yml``, and unless `published` all other notebooks."""
    toc: dict[str, Any] = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    if not published:
        listed = set(toc_files(toc))
        there = sorted(f"notebooks/{path.stem}" for path in (root / "notebooks").glob("[0-9]*.ipynb"))
        toc["parts"][0]["chapters"] += [{"file": name} for name in there if name not in listed]
    return toc


def notebooks(toc: Mapping[str, Any]) -> list[str]:
    """Return the notebooks in a table of contents, in its order, by their paths in the repository."""
    names = [f"{name}.ipynb" for name in toc_files(toc)]
    return [name for name in names if not name.startswith("book/") or (REPOSITORY / name).exists()]


def is_chapter(notebook: str) -> bool:
    """Return whether a notebook is about a figure of the paper, and not one of those beside the benchmarks."""
    return notebook.startswith("notebooks/")


def toc_files(toc: Mapping[str, Any]) -> Iterator[str]:
    """Yield the pages of a table of contents, the first page first."""
    if "root" in toc:
        yield str(toc["root"])
    if "file" in toc:
        yield str(toc["file"])
    for key in ("parts", "chapters", "sections"):
        for entry in toc.get(key, []):
            yield from toc_files(entry)


def execute(notebook: Path, profile: str, output: Path) -> Path:
    """Run a notebook on a profile and write it with its outputs and its stamp.

    It runs in this Python's environment, in the present folder; its cell tagged ``parameters`` sets ``profile``.
    `output` is replaced once the last cell has run, and is left as it was when one fails.
    """
    source = read_notebook(notebook)
    sha256, start = digest(notebook), time.perf_counter()
    partial = part_path(output, ".ipynb")  # papermill writes to no other suffix without a warning
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        clear(output.parent, output.name)
        with kernel_of_this_python():
            _run(notebook, source, profile, partial)
        executed = json.loads(partial.read_text(encoding="utf-8"))
        executed["metadata"][STAMP] = {
            "source": notebook.name,
            "source_sha256": sha256,
            "profile": profile,
            "commit": commit(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "seconds": round(time.perf_counter() - start, 1),
            "peak_memory_mib": peak_memory_mib(resource.RUSAGE_CHILDREN),
        }
        _tidy(executed)
        write_json(output, executed)
    except OSError as error:
        raise StorageError(f"{output} cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return output


def _run(notebook: Path, source: dict[str, Any], profile: str, partial: Path) -> None:
    """Run through papermill, turning its errors into one sentence."""
    import papermill
    from nbclient.exceptions import CellControlSignal, DeadKernelError

    if not any("parameters" in cell.get("metadata", {}).get("tags", []) for cell in source["cells"]):
        raise NotebookError(f"{notebook.name}: no cell is tagged `parameters`, so it cannot be given a profile")
    how = {"parameters": {"profile": profile}, "kernel_name": KERNEL, "log_output": False}
    try:
        papermill.execute_notebook(str(notebook), str(partial), **how, progress_bar=sys.stderr.isatty())
    except papermill.PapermillExecutionError as error:
        said = f"cell {error.cell_index} failed: {error.ename}: {(str(error.evalue).strip().splitlines() or [''])[0]}"
    except DeadKernelError:
        said = "its kernel died; the likeliest reason is too little memory"
    except CellControlSignal as error:
        said = str(error)
    else:
        return
    raise NotebookError(f"{notebook.name}: {said}")


def read_notebook(path: Path) -> dict[str, Any]:
    """Return a notebook of format 4 as JSON values, or say in one sentence why it is none."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NotebookError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise NotebookError(f"{path} is not a notebook: {error}") from None
    if not isinstance(notebook, dict) or notebook.get("nbformat") != 4:
        raise NotebookError(f"{path} is not a notebook of format 4")
    if not isinstance(notebook.get("cells"), list) or not isinstance(notebook.get("metadata"), dict):
        raise NotebookError(f"{path} is not a notebook: cells or metadata missing")
    return notebook


@contextlib.contextmanager
def environment_with(settings: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment while the block runs."""
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def kernel_of_this_python() -> Iterator[None]:
    """Make a kernel of this very Python known under the name `KERNEL` while the block runs."""
    from ipykernel.kernelspec import write_kernel_spec

    with tempfile.TemporaryDirectory(prefix="repsim-kernel-") as folder:
        settings = Path(folder) / "matplotlibrc"
        settings.write_text(DRAWING_SETTINGS, encoding="utf-8")
        environment = {**KERNEL_ENVIRONMENT, "MATPLOTLIBRC": str(settings)}
        write_kernel_spec(Path(folder, "kernels", KERNEL), {"env": environment}, ["--log-level=ERROR"])
        known = filter(None, [folder, os.environ.get("JUPYTER_PATH")])
        with environment_with({"JUPYTER_PATH": os.pathsep.join(known)}):
            yield


def _tidy(executed: dict[str, Any]) -> None:
    """Take out what differs between two runs of the same notebook: times, paths and the kernel's passing name."""
    executed["metadata"].pop("papermill", None)
    executed["metadata"]["kernelspec"] = dict(PLAIN_KERNELSPEC)
    for number, cell in enumerate(executed["cells"]):
        cell["id"] = f"cell-{number}"
        for key in ("papermill", "execution"):
            cell["metadata"].pop(key, None)


def stamp(executed: Path) -> dict[str, Any]:
    """Return the stamp of an executed notebook, empty if it has none."""
    stamped = read_notebook(executed)["metadata"].get(STAMP)
    return stamped if isinstance(stamped, dict) else {}


def kept(executed: Path, key: str) -> Iterator[Any]:
    """Yield what the outputs of an executed notebook keep under a key for later steps of the chain, in order."""
    for cell in read_notebook(executed)["cells"]:
        for output in cell.get("outputs", []):
            if key in (about := output.get("metadata", {}).get(STAMP, {})):
                yield about[key]


def is_stale(executed: Path, source: Path) -> bool:
    """Return whether an executed notebook is missing or was not made from the source as it is now."""
    return not executed.exists() or stamp(executed).get("source_sha256") != digest(source)


def is_shown(cell: Mapping[str, Any]) -> bool:
    """Return whether a cell is code that its page shows."""
    return cell["cell_type"] == "code" and "remove-cell" not in cell["metadata"].get("tags", [])


@dataclass(frozen=True)
class Figure:
    """A figure in an executed notebook, as what shows it says in the metadata of the output."""

    name: str
    caption: str
    svg: str = ""
    pdf: Base64Bytes = b""
    data: dict[str, list[float]] | None = None  # that it was drawn from, by columns
    source: tuple[str, ...] = ()  # else the folders of the results

    def __post_init__(self) -> None:
        if len({len(column) for column in (self.data or {}).values()}) > 1:
            raise ValueError("the columns of its data differ in length")

    @property
    def files(self) -> dict[str, bytes]:
        """Its files by what ends their names; none where a notebook from elsewhere chose a name that leads away."""
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", self.name):
            return {}
        text = io.StringIO()
        if self.data is not None:
            csv.writer(text, lineterminator="\n").writerows([self.data, *zip(*self.data.values(), strict=True)])
        files = {"svg": self.svg.encode(), "pdf": self.pdf, "csv": text.getvalue().encode()}
        return {suffix: content for suffix, content in files.items() if content}


def figures_in(cell: Mapping[str, Any]) -> Iterator[Figure]:
    """Yield the figures among the outputs of a cell, in order."""
    for output in cell.get("outputs", []):
        if "figure" in (about := output.get("metadata", {}).get(STAMP, {})):
            svg, pdf = ("".join(output["data"].get(name, "")) for name in ("image/svg+xml", "application/pdf"))
            try:
                yield Figure(**about["figure"], svg=svg, pdf=pdf.encode())
            except (TypeError, ValueError) as error:
                raise NotebookError(f"a figure's output cannot be read: {error}") from None


def figures_of(executed: Path) -> Iterator[Figure]:
    """Yield the figures of an executed notebook, in order."""
    for cell in read_notebook(executed)["cells"]:
        yield from figures_in(cell)
