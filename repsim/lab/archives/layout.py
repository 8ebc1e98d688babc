"""Where things lie in an archive: the repository's files at their own paths, beside them what was made from them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from urllib.parse import unquote

from repsim.lab.archives.codecheck import CODECHECK
from repsim.lab.downloads import Figure, figures_of, write_verdicts
from repsim.lab.execution import contents, notebooks
from repsim.lab.paths import results_root
from repsim.lab.repository import tracked_files
from repsim.lab.staging import fit_to_show
from repsim.lab.unpacking import ArchiveError

METADATA = "ro-crate-metadata.json"  # the name that RO-Crate demands
MANIFEST = "manifest-sha256.txt"  # as sha256sum writes and reads it
NOTEBOOKS, FIGURES, CLAIMS = "outputs/notebooks", "outputs/figures", "outputs/claims"
DRAWN = re.compile(r'<img src="data:image/svg\+xml,([^"]*)"')


def is_output(path: str, profile: str) -> bool:
    """Return whether a file of an archive is one that running the notebooks, training or measuring makes."""
    return path.startswith((f"results/{profile}/", "outputs/"))


def drawing(figure: Figure) -> bytes | None:
    """Return the SVG in a figure's HTML, None if there is none."""
    found = DRAWN.search(figure.markup)
    return unquote(found[1]).encode() if found else None


def figure_files(executed: Path) -> dict[str, bytes]:
    """Return the drawings and tables of an executed notebook, by their file names."""
    found = {}
    for figure in figures_of(executed):
        # The name becomes that of a file; a notebook from elsewhere may not choose the folder.
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", figure.name):
            raise ArchiveError(f"{executed.name}: {figure.name!r:.60} is no name for a figure's file")
        if (image := drawing(figure)) is not None:
            found[f"{figure.name}.svg"] = image
        if figure.data is not None:
            found[f"{figure.name}.csv"] = figure.table()
    return found


def gather(profile: str, root: Path, executed_dir: Path, folder: Path) -> dict[str, bool]:
    """Copy everything that goes into an archive into `folder`, but its metadata.

    Parameters
    ----------
    profile
        Whose results.
    root
        The repository.
    executed_dir
        Its executed notebooks.
    folder
        An empty folder.

    Returns
    -------
    dict
        Path of each file -> whether it can be executed.

    Raises
    ------
    ArchiveError
        If the profile has no committed results, or others than the repository's are in use.
    RepositoryError
        If `root` is not a git repository.
    StagingError
        If an executed notebook is missing, older than its source or of another profile.
    """
    if results_root().resolve() != (root / "results").resolve():
        raise ArchiveError(
            f"an archive holds the results in {root / 'results'}, but REPSIM_RESULTS names others: unset it"
        )
    files = tracked_files(root)
    if not any(name.startswith(f"results/{profile}/") for name in files):
        raise ArchiveError(f"no results of profile {profile} are committed in {root / 'results'}")
    sources = notebooks(contents(published=True, root=root))
    for source in sources:
        fit_to_show(executed_dir, root, source, profile)
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, folder / name)
    for name in (NOTEBOOKS, FIGURES, CLAIMS):
        (folder / name).mkdir(parents=True)
    for source in sources:
        executed = folder / NOTEBOOKS / Path(source).name
        shutil.copyfile(executed_dir / executed.name, executed)
        for name, content in figure_files(executed).items():
            (folder / FIGURES / name).write_bytes(content)
    write_verdicts(profile, folder / CLAIMS, root / "book" / "claims.yml")
    made = [path.relative_to(folder).as_posix() for path in (folder / "outputs").rglob("*") if path.is_file()]
    if taken := sorted({*made, METADATA, MANIFEST, CODECHECK} & set(files)):
        raise ArchiveError(f"the repository has files of its own where an archive's stand: {', '.join(taken)}")
    return dict(sorted({**files, **dict.fromkeys(made, False)}.items()))
