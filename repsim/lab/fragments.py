"""The generated parts of the book's pages, as Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import repsim
from repsim.lab.claim_tables import claims_page, claims_table, first_page, label, overview
from repsim.lab.claims import Claim, judged, measurement_path
from repsim.lab.downloads import data_anchors, data_page, shown_profiles
from repsim.lab.execution import figures_in, is_chapter, is_shown, read_notebook
from repsim.lab.explorer import explorer, network_facts
from repsim.lab.findings import measuring
from repsim.lab.findings.training import accuracies
from repsim.lab.metadata import claim_reviews
from repsim.lab.paths import REPOSITORY
from repsim.lab.profiles import NAMES, load_profile
from repsim.lab.repository import BRANCH, MODIFIED, UNKNOWN, commit, commit_in_words, is_public, repository_url
from repsim.lab.store import Artefact, machine
from repsim.lab.weights import trained_networks
from repsim.lab.wording import table

Function = Callable[..., Any]
Stamp = Mapping[str, Any]
BACKENDS = {"jax": "JAX", "tensorflow": "TensorFlow", "torch": "PyTorch"}


def makers(profile: str, folder: Path, stamps: Mapping[str, Stamp]) -> dict[str, Callable[[], str]]:
    """Return for each generated part the function that writes it.

    What can be a notebook is one. These cannot. The verdicts and their evidence (first-page, overview, claims-table,
    claims), files beside the pages (data, explorer) and the times (status) are known only once all notebooks are
    executed. What profiles cost (cost) and which networks there are (trained) stand within a page of text.
    """
    chapters = {Path(name).stem: folder / name for name in stamps if is_chapter(name)}
    address = repository_url()
    return {
        "first-page": lambda: first_page(profile),
        "overview": lambda: f"{overview(profile)}\n\n{claim_reviews(profile, judged(profile))}",
        "claims": lambda: claims_page(profile, partial(link_to_notebook, chapters), partial(link_to_commit, address)),
        "explorer": lambda: explorer(profile, folder / "book" / "_static"),
        "claims-table": lambda: table_of_claims(profile, address, chapters),
        "data": lambda: data_page(profile, folder, list(chapters)),
        "status": lambda: status(folder, stamps),
        "cost": cost,
        "trained": lambda: trained(profile),
    }


def link_to_notebook(chapters: Collection[str], stem: str) -> str:
    """Return a link to the page of a notebook, or the name of its source where the book does not contain it."""
    return f"[](../notebooks/{stem}.ipynb)" if stem in chapters else f"`notebooks/{stem}.ipynb`"


def link_to_commit(address: str, at: str) -> str:
    """Return a link to a commit, or its name where the repository has no address yet."""
    name = f"commit {at[:7]}"
    return f"[{name}]({address}/commit/{at})" if is_public(address) else name


def duration(seconds: float) -> str:
    """Write seconds in the unit that suits them."""
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"


def _where(computer: Mapping[str, Any]) -> str:
    cores = computer.get("processors", "?")
    return f"{computer.get('system', 'an unknown system')}, {cores} processor core{'' if cores == 1 else 's'}"


def stamp_sentence(stamp: Stamp) -> str:
    """Say where an executed notebook comes from."""
    versions = stamp["machine"].get("versions", {})
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"*Profile `{stamp['profile']}`, {commit_in_words(stamp['commit'])}, executed on {stamp['date'][:10]} in "
        f"{duration(stamp['seconds'])} with at most {stamp['peak_memory_mib']:,} MiB of memory, on "
        f"{_where(stamp['machine'])}, Python {stamp['machine'].get('python', '?')}: {packages}.*"
    )


def provenance(profile: str, stamps: Mapping[str, Stamp]) -> str:
    """Say where the numbers of a page come from that is not a notebook."""
    total = sum(stamp["seconds"] for stamp in stamps.values())
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


def status(folder: Path, stamps: Mapping[str, Stamp]) -> str:
    """Return a table of the executed notebooks: when, how long, how much memory."""
    rows = [
        [
            f"[{title(folder / name)}](../{name})",
            f"{stamp['date'][:16].replace('T', ' ')} UTC",
            duration(stamp["seconds"]),
            f"{stamp['peak_memory_mib']:,} MiB",
            commit_in_words(stamp["commit"]).removeprefix("commit "),
        ]
        for name, stamp in stamps.items()
    ]
    return table(["notebook", "executed", "took", "memory", "commit"], rows)


def cost() -> str:
    """Return a table of what each profile costs."""
    rows = [
        [
            f"`{name}`",
            f"{len(group.seeds)} × {network_facts(group)['title']}"
            + (f", {group.recipe.epochs} epoch{'s' * (group.recipe.epochs > 1)}" if group.recipe.epochs else ""),
            duration(60 * group.minutes),
            f"{group.megabytes / 1000:.3g} GB" if group.megabytes >= 10 else "under 0.01 GB",
        ]
        for name in NAMES
        for group in load_profile(name).networks
    ]
    return table(["profile", "networks", "one takes", "its representations"], rows)


def trained(profile: str) -> str:
    """Return a table with a row for each group of networks of which any is trained."""
    rows, whole = [], 0.0
    for group, networks in trained_networks(profile):
        scores = accuracies([network.record for network in networks])
        seconds = [float(network.record["seconds"]) for network in networks]
        whole += sum(seconds)
        rows.append(
            [
                network_facts(group)["title"],
                f"{len(networks)} of {len(group.seeds)}",
                f"{scores['accuracy']:.2f}"
                + (f" ({scores['lowest']:.2f} to {scores['highest']:.2f})" if len(networks) > 1 else ""),
                "; ".join(dict.fromkeys(_trained_on(network) for network in networks)),
                f"{sum(seconds) / len(seconds) / 60:.1f}"
                + (" (the last run of some)" if any(network.record.get("resumed") for network in networks) else ""),
            ]
        )
    if not rows:
        return "*No network is trained yet.*"
    heads = ["networks", "trained", "test accuracy, % (lowest to highest)", "on", "minutes of one"]
    return (
        table(heads, rows)
        + f"\n\n*Training all of these took {whole / 3600:.1f} hours, of interrupted runs only the last part counted.*"
    )


def _trained_on(network: Artefact) -> str:
    record = network.record
    device = record.get("device", "CPU")  # records of processors have not always said so
    return f"{device}, {BACKENDS[record['backend']]}"


def table_of_claims(profile: str, address: str, chapters: Mapping[str, Path]) -> str:
    """Return the table of all claims, each with links to its figure, cell, data and code."""
    evidence = Evidence(chapters, address, data_anchors(profile, chapters.values()))

    def links(of: str, claim: Claim) -> list[str]:
        there = measurement_path(of, claim.id).exists()
        values = [f"[values](../results/{of}/claims/{claim.id}.json)"] if there else []
        return [*values, *evidence.links(claim)]

    return claims_table(shown_profiles(profile), links)


def code_link(function: Function, repository: str, text: str) -> str:
    """Return Markdown that leads to a function's first line, or, without an address of the repository, says where."""
    at = commit()
    reference = BRANCH if at == UNKNOWN or at.endswith(MODIFIED) else at
    path = Path(inspect.getfile(function)).resolve().relative_to(REPOSITORY).as_posix()
    lines, start = inspect.getsourcelines(function)
    line = start + next(place for place, line in enumerate(lines) if line.startswith("def "))
    if not is_public(repository):
        return f"{text} in `{path.removeprefix('repsim/lab/')}`, line {line}"
    return f"[{text}]({repository}/blob/{reference}/{path}#L{line})"


def cell_label(stem: str, cell: str) -> str:
    """Return the anchor of a code cell of a notebook's page."""
    return f"code-{cell}-of-{stem}"


class Evidence:
    """What the executed notebooks, by their stems, show of each claim; `data` has the anchor of each figure's data."""

    def __init__(self, pages: Mapping[str, Path], repository: str, data: Mapping[str, str]) -> None:
        self.cells = {stem: list(filter(is_shown, read_notebook(path)["cells"])) for stem, path in pages.items()}
        self.repository, self.data = repository, data

    def links(self, claim: Claim) -> list[str]:
        """Return Markdown that links to what there is: figure, cell, data, code, and the package's functions.

        The cell is that which calls what measures the claim, else that which shows the verdict; the figure is that
        called as the claim's section, else that of the cell.
        """
        cells, declared = self.cells.get(claim.notebook, []), measuring(claim.id)
        calls = rf"\bfindings\.{declared.function.__name__}\(" if declared else r"\b\B"  # which matches nothing
        calling = [cell["id"] for cell in cells if re.search(calls, "".join(cell["source"]))]
        showing = [cell["id"] for cell in cells if f"(#{label(claim)})" in str(cell.get("outputs"))]
        cell = next(iter([*calling, *showing]), None)
        section = claim.section.split(",")[0].lower().replace(" ", "-").replace(".", "")
        figures = [(figure.name, cell["id"]) for cell in cells for figure in figures_in(cell)]
        figure, at = next(
            (found for place, wanted in enumerate((section, cell)) for found in figures if found[place] == wanted),
            ("", None),
        )
        anchors = {"figure": at, "cell": cell}
        links = [f"[{what}](#{cell_label(claim.notebook, name)})" for what, name in anchors.items() if name]
        if figure in self.data:
            links.append(f"[data](#{self.data[figure]})")
        if declared:
            links.append(code_link(declared.function, self.repository, "code"))
            links += map(self._computing, declared.by)
        return links

    def _computing(self, function: Function) -> str:
        """Return a link to a function that computes: of the public ones to their page, of others to the code."""
        name = function.__name__
        if getattr(repsim, name, None) is function:
            return f"{{py:func}}`~repsim.{name}`"
        return code_link(function, self.repository, f"`{name}`")
