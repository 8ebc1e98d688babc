"""The generated parts of the book's pages, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml

import repsim
from repsim.lab import clusters, costs, faults, libraries, speed
from repsim.lab.benchmarked import measured
from repsim.lab.claim_tables import claims_page, claims_table, first_page, summary
from repsim.lab.claims import Claim, measurement_path
from repsim.lab.commits import commit, commit_in_words
from repsim.lab.downloads import data_anchors, data_page, shown_profiles
from repsim.lab.evidence import Evidence
from repsim.lab.execution import read_notebook
from repsim.lab.explorer import explorer
from repsim.lab.profiles import NAMES, load_profile
from repsim.lab.store import machine
from repsim.lab.trained import trained

Stamp = Mapping[str, Any]
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
        "first-page": lambda: first_page(profile),
        "claims": lambda: claims_page(profile, partial(link_to_notebook, stamps)),
        "explorer": lambda: explorer(profile, part / "book" / "_static"),
        "claims-table": lambda: table_of_claims(profile, part, stamps),
        "data": lambda: data_page(profile, part, list(stamps)),
        "status": lambda: status(part, stamps),
        "cost": cost,
        "trained": lambda: trained(profile),
        "table-1": table_1,
        "bibtex-paper": lambda: f"```bibtex\n{CODE_OF_PAPER}\n```",
        "bibtex-reproduction": lambda: bibtex(root),
        **{name: partial(make, measured("peers")) for name, make in libraries.PARTS.items()},
        **{name: partial(make, measured("engine")) for name, make in costs.PARTS.items()},
        **{name: partial(make, measured("accelerator")) for name, make in costs.ACCELERATED.items()},
        **{name: partial(make, measured("digits")) for name, make in costs.IN_DIGITS.items()},
        **faults.PARTS,
        **{name: partial(make, measured("training")) for name, make in speed.PARTS.items()},
        **{name: partial(make, measured("cluster")) for name, make in clusters.PARTS.items()},
    }


def link_to_notebook(stamps: Mapping[str, Stamp], stem: str) -> str:
    """Return a link to the page of a notebook, or the name of its source where the book does not contain it."""
    return f"[{stem}](../notebooks/{stem}.ipynb)" if stem in stamps else f"`notebooks/{stem}.ipynb`"


def duration(seconds: float) -> str:
    """Write seconds in the unit that suits them."""
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"


def _where(found: Mapping[str, Any]) -> str:
    cores = found.get("processors", "?")
    return f"{found.get('system', 'an unknown system')}, {cores} processor core{'' if cores == 1 else 's'}"


def stamp_sentence(found: Stamp) -> str:
    """Say where an executed notebook comes from."""
    versions = found["machine"].get("versions", {})
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"*Profile `{found['profile']}`, {commit_in_words(found['commit'])}, executed on {found['date'][:10]} in "
        f"{duration(found['seconds'])} with at most {found['peak_memory_mib']:,} MiB of memory, on "
        f"{_where(found['machine'])}, Python {found['machine'].get('python', '?')}: {packages}.*"
    )


def provenance(profile: str, stamps: Mapping[str, Stamp]) -> str:
    """Say where the numbers of a page come from that is not a notebook."""
    total = sum(found["seconds"] for found in stamps.values())
    return (
        f"*Profile `{profile}`, {commit_in_words(commit())}, put together on {datetime.now(UTC):%Y-%m-%d} on "
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
        path, at = part / "notebooks" / f"{stem}.ipynb", commit_in_words(found["commit"]).removeprefix("commit ")
        lines.append(
            f"| [{title(path)}](../notebooks/{stem}.ipynb) | {found['date'][:16].replace('T', ' ')} UTC "
            f"| {duration(found['seconds'])} | {found['peak_memory_mib']:,} MiB | {at} |"
        )
    return "\n".join(lines)


def cost() -> str:
    """Return a table of what each profile costs."""
    lines = ["| profile | networks | one takes | its representations |", "| --- | --- | ---: | ---: |"]
    for name in NAMES:
        for group in load_profile(name).networks:
            epochs = f"{group.recipe.epochs} epochs" if group.recipe.epochs else "untrained"
            lines.append(
                f"| `{name}` | {len(group.seeds)} × {group.architecture} on {group.dataset} ({epochs}) "
                f"| {duration(60 * group.minutes)} | {group.megabytes / 1000:.3g} GB |"
            )
    return "\n".join(lines)


def table_of_claims(profile: str, part: Path, stamps: Mapping[str, Stamp]) -> str:
    """Return the table of all claims, each with links to its figure, cell, data and code."""
    repository = yaml.safe_load((part / "_config.yml").read_text(encoding="utf-8"))["repository"]
    pages = {stem: part / "notebooks" / f"{stem}.ipynb" for stem in stamps}
    evidence = Evidence(pages, repository["url"], repository["branch"], data_anchors(profile))

    def links(of: str, claim: Claim) -> list[str]:
        there = measurement_path(of, claim.id).exists()
        values = [f"[values](../results/{of}/claims/{claim.id}.json)"] if there else []
        return [*values, *evidence.links(claim)]

    return claims_table(shown_profiles(profile), links)


def table_1() -> str:
    """Return Table 1 of the paper from the registry of indexes."""
    lines = [
        "| index | name here | formula | invertible linear maps | rotations | one factor |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, index in repsim.INDEXES.items():
        function = f"{{py:func}}`{name} <repsim.{index.function.__name__}>`"
        formula = index.formula.replace(r"\|", r"\Vert ")
        yes = {True: "yes", False: "no"}
        lines.append(
            f"| {index.title} | {function} | ${formula}$ | {index.invertible_linear} | {yes[index.orthogonal]} "
            f"| {yes[index.isotropic_scaling]} |"
        )
    return "\n".join(lines)


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
