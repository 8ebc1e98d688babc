"""Small inputs of each step: an archive of data, a repository with results, an executed notebook."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import tarfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import numpy as np
import yaml

from repsim.lab.claims import record
from repsim.lab.repository import REPOSITORY
from repsim.lab.store import Store, digest

NOTEBOOK = "01-train-networks"
PAGES = ("index", "claims", "data", "status", "cite")


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def copyfile(self, source, outputfile):
        with suppress(ConnectionError):  # whoever asked was killed
            super().copyfile(source, outputfile)


@contextmanager
def served(folder: Path):
    """The address of a server of the files in a folder, on this machine only."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def data_archive(folder: Path) -> tuple[Path, str]:
    """An archive as the official ones are, and its MD5."""
    official, rng = folder / "official", np.random.default_rng(0)
    official.mkdir(parents=True)
    for number in range(6):
        (official / f"batch_{number}.bin").write_bytes(rng.bytes(1_000_000))
    with tarfile.open(folder / "data.tar.gz", "w:gz", compresslevel=1) as packed:
        packed.add(official, official.name)
    shutil.rmtree(official)
    return folder / "data.tar.gz", hashlib.md5((folder / "data.tar.gz").read_bytes()).hexdigest()


def notebook(path: Path, *codes: str) -> Path:
    """A notebook with a cell for the profile and the given code cells."""
    cells = [
        nbformat.v4.new_markdown_cell("# A title"),
        nbformat.v4.new_code_cell('profile = "laptop"', metadata={"tags": ["parameters"]}),
        *(nbformat.v4.new_code_cell(code) for code in codes),
    ]
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


def git(folder: Path, *arguments: str) -> None:
    names = ["-c", "user.name=A tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *names, *arguments], check=True, capture_output=True)


def repository(root: Path) -> Path:
    """A small repository with one notebook, some pages and results of the smoke profile, committed."""
    for name in ("LICENSE", "LICENSE-CONTENT", "CITATION.cff", "_config.yml", "pyproject.toml", "book/claims.yml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, root / name)
    for page in PAGES:
        shutil.copy(REPOSITORY / "book" / f"{page}.md", root / "book" / f"{page}.md")
    chapters = [{"file": f"notebooks/{NOTEBOOK}"}, *({"file": f"book/{page}"} for page in PAGES[1:])]
    toc = {"format": "jb-book", "root": "book/index", "parts": [{"caption": "All", "chapters": chapters}]}
    (root / "_toc.yml").write_text(yaml.safe_dump(toc, sort_keys=False))
    (root / ".gitignore").write_text(".*.lock\n")
    notebook(root / "notebooks" / f"{NOTEBOOK}.ipynb", "print(profile)", "sum(range(100_000))")
    before = os.environ.get("REPSIM_RESULTS")
    os.environ["REPSIM_RESULTS"] = str(root / "results")
    try:
        arrays = {"a": np.random.default_rng(1).random((100, 1000))}
        Store(root / "results" / "smoke").get("step", "name", {"seed": 1}, lambda: (arrays, {}))
        record("smoke", "F2a", {"diagonal_rows": 8, "rows": 9}, notebook=NOTEBOOK)
    finally:
        os.environ.pop("REPSIM_RESULTS")
        if before is not None:
            os.environ["REPSIM_RESULTS"] = before
    git(root, "init", "--quiet", "--initial-branch", "main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "All of it")
    return root


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file that stands under a name of its own: without what names a day or commit."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            found[path.relative_to(folder).as_posix()] = _hash(path)
    return found


def _hash(path: Path) -> str:
    if path.suffix == ".md":  # pages end in the day and the commit
        return hashlib.sha256(path.read_text(encoding="utf-8").rpartition("\n---\n")[0].encode()).hexdigest()
    if path.suffix != ".ipynb":
        return digest(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["metadata"].pop("repsim", None)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
