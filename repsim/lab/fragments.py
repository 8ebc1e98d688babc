"""The generated parts of the book's pages, as Markdown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

import repsim
from repsim.lab import libraries
from repsim.lab.claim_tables import claims_page, first_table, judged
from repsim.lab.claims import summary
from repsim.lab.execution import commit, read_notebook
from repsim.lab.paths import results_root
from repsim.lab.profiles import NAMES, load_profile
from repsim.lab.store import check, digest, machine, record_path

Stamp = Mapping[str, Any]
LARGEST_DOWNLOAD = 10 << 20
# Folder of the results -> what is drawn from it.
DRAWN_FROM = {
    "networks": "The networks: weights and learning curves",
    "tables": "Figure 2, Table 2 and Figure F.3: similarity tables",
    "dimension": "The dimension failure: indexes against the number of examples",
    "components": "Figure 1: principal components",
    "subspace": "Figure 8: the shared subspace",
}
CODE_OF_PAPER = """\
@inproceedings{kornblith2019similarity,
  title     = {Similarity of Neural Network Representations Revisited},
  author    = {Kornblith, Simon and Norouzi, Mohammad and Lee, Honglak and Hinton, Geoffrey},
  booktitle = {Proceedings of the 36th International Conference on Machine Learning},
  series    = {Proceedings of Machine Learning Research},
  volume    = {97},
  pages     = {3519--3529},
  year      = {2019},
  publisher = {PMLR}
}"""


def makers(profile: str, part: Path, root: Path, stamps: Mapping[str, Stamp]) -> dict[str, Callable[[], str]]:
    """Return for each generated part the function that writes it.

    Parameters
    ----------
    profile
        Whose results are shown.
    part
        The folder that is being made, where files for download go.
    root
        The repository.
    stamps
        Stem of each notebook -> its stamp, in the order of the book.
    """
    return {
        "summary": lambda: summary(profile),
        "first-table": lambda: first_table(profile),
        "claims": lambda: claims_page(profile, lambda stem: f"[{stem}](../notebooks/{stem}.ipynb)"),
        "data": lambda: data(profile, part),
        "status": lambda: status(part, stamps),
        "cost": cost,
        "table-1": table_1,
        "bibtex-paper": lambda: f"```bibtex\n{CODE_OF_PAPER}\n```",
        "bibtex-reproduction": lambda: bibtex(root),
        **{name: partial(make, libraries.measured()) for name, make in libraries.PARTS.items()},
    }


def duration(seconds: float) -> str:
    """Write seconds in the unit that suits them."""
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"


def _where(found: Mapping[str, Any]) -> str:
    return f"{found.get('system', 'an unknown system')}, {found.get('processors', '?')} processor cores"


def stamp_sentence(found: Stamp) -> str:
    """Say where an executed notebook comes from."""
    versions = found["machine"].get("versions", {})
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"*Profile `{found['profile']}`, commit `{found['commit'][:12]}`, executed on {found['date'][:10]} in "
        f"{duration(found['seconds'])} with at most {found['peak_memory_mib']:,} MiB of memory, on "
        f"{_where(found['machine'])}, Python {found['machine'].get('python', '?')}: {packages}.*"
    )


def provenance(profile: str, stamps: Mapping[str, Stamp]) -> str:
    """Say where the numbers of a page come from that is not a notebook."""
    total = sum(found["seconds"] for found in stamps.values())
    return (
        f"*Profile `{profile}`, commit `{commit()[:12]}`, put together on {datetime.now(UTC):%Y-%m-%d} on "
        f"{_where(machine())}; executing the {len(stamps)} notebooks took {duration(total)}.*"
    )


def title(notebook: Path) -> str:
    """Return the first heading of a notebook."""
    for cell in read_notebook(notebook)["cells"]:
        for line in "".join(cell["source"]).splitlines() if cell["cell_type"] == "markdown" else []:
            if line.startswith("# "):
                return line[2:].strip()
    return notebook.stem


def status(part: Path, stamps: Mapping[str, Stamp]) -> str:
    """Return a table of the executed notebooks: when, how long, how much memory."""
    lines = ["| notebook | executed | took | memory | commit |", "| --- | --- | ---: | ---: | --- |"]
    for stem, found in stamps.items():
        path = part / "notebooks" / f"{stem}.ipynb"
        lines.append(
            f"| [{title(path)}](../notebooks/{stem}.ipynb) | {found['date'][:16].replace('T', ' ')} UTC "
            f"| {duration(found['seconds'])} | {found['peak_memory_mib']:,} MiB | `{found['commit'][:12]}` |"
        )
    return "\n".join(lines)


def cost() -> str:
    """Return a table of what each profile costs."""
    lines = ["| profile | networks | one takes | its representations |", "| --- | --- | ---: | ---: |"]
    for name in NAMES:
        profile = load_profile(name)
        networks = ", ".join(
            f"{len(group.seeds)} × {group.architecture} on {group.dataset} ({group.recipe.epochs} epochs)"
            for group in profile.networks
        )
        lines.append(
            f"| `{name}` | {networks} | {duration(60 * profile.minutes_per_network)} "
            f"| {profile.megabytes_per_network / 1000:.3g} GB |"
        )
    return "\n".join(lines)


def table_1() -> str:
    """Return Table 1 of the paper from the registry of indexes."""
    lines = [
        "| index | name here | formula | invertible linear maps | rotations | one factor |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, index in repsim.INDEXES.items():
        formula = index.formula.replace(r"\|", r"\Vert ")
        yes = {True: "yes", False: "no"}
        lines.append(
            f"| {index.title} | `{name}` | ${formula}$ | {index.invertible_linear} | {yes[index.orthogonal]} "
            f"| {yes[index.isotropic_scaling]} |"
        )
    return "\n".join(lines)


def data(profile: str, part: Path) -> str:
    """Copy the results that the pages are made from beside them, and return tables of them with their hashes."""
    source, sums = results_root() / profile, []
    copies = part / "results" / profile
    parts = []
    for folder in sorted(path for path in source.glob("*") if path.is_dir() and path.name not in ("claims", ".done")):
        rows = []
        for path in sorted(folder.glob("*.npz")):
            if path.stat().st_size > LARGEST_DOWNLOAD or not record_path(path).exists():
                continue
            check(path, json.loads(record_path(path).read_text(encoding="utf-8"))["sha256"])
            for one in (path, record_path(path)):
                copy = copies / folder.name / one.name
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(one, copy)
                sums.append(f"{digest(one)}  {folder.name}/{one.name}")
            links = f"[{path.name}](../results/{profile}/{folder.name}/{path.name})"
            links += f", [record](../results/{profile}/{folder.name}/{record_path(path).name})"
            rows.append(f"| {links} | {path.stat().st_size / 1024:,.0f} KiB | `{digest(path)}` |")
        if rows:
            heading = DRAWN_FROM.get(folder.name, folder.name)
            parts.append("\n".join([f"## {heading}", "", "| file | size | SHA-256 |", "| --- | ---: | --- |", *rows]))
    verdicts = _write_verdicts(profile, copies)
    sums.append(f"{digest(verdicts)}  {verdicts.name}")
    (copies / "SHA256SUMS.txt").write_text("\n".join(sums) + "\n", encoding="utf-8")
    above = (
        f"- [verdicts.json](../results/{profile}/verdicts.json): every claim with what was measured and its verdict\n"
        f"- [SHA256SUMS.txt](../results/{profile}/SHA256SUMS.txt): the hashes of all files here, as `sha256sum` writes "
        f"them\n- [claims.yml](claims.yml): the claims and their predicates"
    )
    return "\n\n".join([above, *parts])


def _write_verdicts(profile: str, folder: Path) -> Path:
    """Write all measurements and verdicts into one file."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "claim": claim.id,
            "statement": claim.statement,
            "place": claim.place,
            "paper": claim.paper,
            "values": None if found is None else dict(found.values),
            "examples": None if found is None else found.n,
            "spread": None if found is None else found.spread,
            "verdict": verdict,
        }
        for claim, found, verdict in judged(profile)
    ]
    path = folder / "verdicts.json"
    text = json.dumps({"profile": profile, "claims": rows}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def bibtex(root: Path) -> str:
    """Return a BibTeX entry of this reproduction, made from CITATION.cff."""
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    names = [one.get("name") or f"{one['family-names']}, {one['given-names']}" for one in citation["authors"]]
    year = str(citation.get("date-released") or datetime.now(UTC).year)[:4]
    fields = {
        "title": citation["title"],
        "author": " and ".join(f"{{{name}}}" for name in names),
        "version": citation["version"],
        "year": year,
        "url": citation["repository-code"],
    }
    lines = ",\n".join(f"  {name:<7} = {{{value}}}" for name, value in fields.items())
    return f"```bibtex\n@software{{repsim_revisited,\n{lines}\n}}\n```"
