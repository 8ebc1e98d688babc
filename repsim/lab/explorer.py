"""The explorer: what its page knows of every layer-by-layer table of a profile's results, and the tables as scripts.

A page that is opened from disk may not fetch data but may run scripts beside it. So each block of a table, one index of
the networks of two groups, becomes a script of its own, which the page loads when it is chosen.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import repsim
from repsim.lab.data import title_of
from repsim.lab.families import describe
from repsim.lab.figures.style import HEAT, architecture, network, recipe_of
from repsim.lab.findings.across_networks import WITH, WITHOUT
from repsim.lab.findings.architectures import FIGURE_5, RESIDUAL, TINY
from repsim.lab.findings.correspondence import ASYMMETRIC, FIGURE_2_PANELS, FIGURE_F3, score
from repsim.lab.findings.tables import CCA_TYPE, layer_ranks, off_diagonal, room
from repsim.lab.findings.transformers import TAP_TITLES, TAPS
from repsim.lab.findings.within_networks import DEPTHS
from repsim.lab.measurements.similarities import RECIPES
from repsim.lab.profiles import Networks, Profile, load_profile
from repsim.lab.published import NETWORKS
from repsim.lab.repository import results_root
from repsim.lab.similarities import Similarities
from repsim.lab.store import Artefact, unseal
from repsim.lab.wording import DASH
from repsim.lab.wording import table as markdown_table

SAID = (
    "How often the most similar layer of another network of the same kind is the same layer, over all ordered pairs, "
    "on the largest number of images measured. ± is the jackknife error over networks and needs three."
)
NOTHING = "This profile's results hold no layer-by-layer table of similarities."
STEPS = ("tables", "between", "published", "within", "transformers")  # the last has tables of its own kind
TRANSFORMER = "transformer-"  # begins the names of taps
DEBIASED, LINEAR = "_debiased", "cka_linear"
MEAN = "mean"  # in place of a seed: of all pairs of different networks, or of all networks
UNTRAINED = ("plain34-untrained", "plain66-untrained", "resnet62-untrained")
PLACES = {"interior": "inside", "sum": "sum"}
# Figure, first and second group, index, and whether each network stands beside itself; in the paper's order.
PANELS = (
    *(("Figure 2", TINY, TINY, index, False) for index in FIGURE_2_PANELS),
    *(("Figure 3", group, group, LINEAR, True) for group in DEPTHS.values()),
    ("Figure 4", "resnet62", "resnet62", LINEAR, True),
    *(("Figure 5", *groups, LINEAR, False) for groups in FIGURE_5.values()),
    *(("Figure F.3", TINY, TINY, index, False) for index in FIGURE_F3[:8]),
    ("Figure F.4", "plain18-untrained", "plain18-untrained", LINEAR, False),
    ("Figure F.4", "plain18-untrained", "plain18", LINEAR, False),
    *(("Figure F.5", group, group, LINEAR, True) for group in UNTRAINED),
    *(("Figure F.6", *groups, LINEAR, False) for groups in ((WITH, WITH), (WITHOUT, WITHOUT), (WITH, WITHOUT))),
    *(("Figure F.8", RESIDUAL, TINY, index, False) for index in (*CCA_TYPE, LINEAR, "cka_rbf_0.4")),
)


class SimilarityTable:
    """One measurement on one set of images: blocks of similarities by index and by the groups of the two sides."""

    def __init__(self, artefact: Artefact, held: Similarities, examples: int) -> None:
        self.record, self.path, self.held, self.examples = artefact.record, artefact.path, held, examples
        self.own, self.rows, self.columns = held.alone, held.rows, held.columns
        self.indexes: list[str] = list(self.record["indexes"])
        ending = f"_{examples}" if isinstance(self.record["examples"], list) else ""
        self.key = f"{self.record['step']}-{self.record['name']}{ending}"  # its name in addresses of the page

    def pairs(self) -> list[tuple[str, str]]:
        """Return the groups of each block."""
        if self.own:
            return [(side["group"], side["group"]) for side in self.rows]
        return [(first["group"], second["group"]) for first in self.rows for second in self.columns]

    def holds(self, index: str, first: str, second: str) -> bool:
        """Return whether it has a block of an index and two groups."""
        return index in self.indexes and (first, second) in self.pairs()

    def block(self, index: str, first: str, second: str) -> np.ndarray:
        """Return (m1, m2, L1, L2), or (m, L, L) where each network is compared with itself, as it was stored."""
        return self.held.block(self.held.name(index, self.examples), first, second)


def similarity_tables(profile: Profile) -> list[SimilarityTable]:
    """Return the tables among a profile's results that hold whole maps, those on most images first.

    Of measurements of one name the latest is taken, and what is of groups that the profile no longer has is left out.
    """
    groups = known_groups(profile)
    tables = list(_transformer_tables(profile))
    for artefact in (latest for step in STEPS[:-1] for latest in _latest(profile.name, step)):
        if artefact.record.get("diagonal"):
            continue
        held = Similarities(artefact.record, artefact.arrays())
        if {side["group"] for side in (*held.rows, *held.columns)} <= groups.keys():
            tables += [SimilarityTable(artefact, held, examples) for examples in held.examples]
    return sorted(tables, key=lambda table: (STEPS.index(table.record["step"]), -table.examples))


def _transformer_tables(profile: Profile) -> Iterator[SimilarityTable]:
    """Yield a table for each tap of the Transformers; a tap stands as a group does."""
    artefact = next(
        (latest for latest in _latest(profile.name, "transformers") if latest.record["name"] == "table"), None
    )
    if not (artefact and profile.transformers):
        return
    arrays, width = artefact.arrays(), profile.transformers.network.width
    for tap in TAPS:
        values = {name.partition("/")[2]: table for name, table in arrays.items() if name.startswith(f"{tap}/")}
        depth = next(iter(values.values())).shape[-1]
        layers = [
            f"{sublayer} {number + 1}" for number in range(depth // 2) for sublayer in ("attention", "feed-forward")
        ]
        side = {"group": f"{TRANSFORMER}{tap}", "layers": layers, "features": [width] * depth}
        side |= {"seeds": artefact.record["seeds"], "network_files": artefact.record["network_files"]}
        record = {**artefact.record, "name": tap, "indexes": list(values), "rows": [side], "columns": [side]}
        held = Similarities(record, {index: table.astype(np.float32) for index, table in values.items()})
        yield SimilarityTable(Artefact(artefact.path, record), held, int(record["examples"]))


def _latest(profile: str, step: str) -> list[Artefact]:
    paths = sorted((results_root() / profile / step).glob("*.json"))
    artefacts = [Artefact(path.with_suffix(".npz"), unseal(path)) for path in paths]
    artefacts.sort(key=lambda artefact: artefact.record["made"])
    latest = {artefact.record["name"]: artefact for artefact in artefacts}
    return [latest[name] for name in sorted(latest)]


def known_groups(profile: Profile) -> dict[str, dict[str, str]]:
    """Return what the page calls and says of each group of networks, and of each tap of Transformers, by name."""
    groups = {group.name: network_facts(group) for group in (*profile.networks, NETWORKS)}
    if settings := profile.transformers:
        depth, width = 2 * settings.network.encoder_layers, settings.network.width
        said = f"{depth} sublayers of {width} units in the encoder; {settings.corpus}, {settings.recipe.epochs} epochs"
        for tap in TAPS:
            name = f"Transformer, {TAP_TITLES[tap]}"
            groups[f"{TRANSFORMER}{tap}"] = {"title": name, "facts": f"{name}: {said}"}
    return groups


def network_facts(group: Networks) -> dict[str, str]:
    """Return what the page calls a group of networks, and what it says of it."""
    name, variant = architecture(group.architecture)
    shape = describe(group.architecture, group.channels)
    channels = sorted({row.channels for row in shape.rows})
    width = f"{channels[0]} to {channels[-1]} channels" if len(channels) > 1 else f"{channels[0]} channels"
    layers = "convolutions" if shape.rows == shape.convolutions else "layers"
    name += {"nobn": " without batch normalisation", "valid": " without borders"}.get(variant, "")
    name += " of another group" if group.name == NETWORKS.name else ""
    images = title_of(group.dataset)
    epochs = group.recipe.epochs
    state = f"trained on {images} for {epochs} epochs" if epochs else f"untrained, made for {images}"
    recipe = f", recipe {named}" if (named := recipe_of(group.name)) else ""
    recipe += ", longer" if named and not group.name.startswith(RECIPES) else ""
    seeds = f", seeds {group.seeds[0]} to {group.seeds[-1]}" if group.seeds[0] and len(group.seeds) > 1 else ""
    return {
        "title": f"{name}, {width}, {images}{'' if epochs else ', untrained'}{recipe}{seeds}",
        "facts": f"{name}: {len(shape.rows)} {layers} of {width}, pooling, logits; {state}",
    }


def identification(table: SimilarityTable, index: str, group: str) -> dict[str, Any] | None:
    """Return :func:`repsim.lab.findings.score` over the networks of one group, None where there are no pairs."""
    if table.own or not table.holds(index, group, group):
        return None
    block = np.asarray(table.block(index, group, group), np.float64)
    networks, layers = block.shape[0], block.shape[2]
    if networks < 2 or not np.isfinite(off_diagonal(block)).all():
        return None
    accuracy, error = score(block, index)
    return {"accuracy": accuracy, "error": error, "networks": networks, "layers": layers}


def layer(name: str) -> str:
    """Return what the page calls a layer: those of residual blocks have names that are made of several words."""
    return re.sub(r"^block(\d+)_(\w+)$", lambda match: f"block {match[1]} {PLACES[match[2]]}", name)


def presets(tables: Sequence[SimilarityTable]) -> list[dict[str, Any]]:
    """Return the panels of the paper's figures that the tables hold (the first counts): title and what is shown."""
    panels = []
    for figure, first, second, index, own in PANELS:
        if table := next((table for table in tables if table.own == own and table.holds(index, first, second)), None):
            seed = str(table.held.part(first)["seeds"][0]) if own else MEAN
            shows = {"first": first, "first-seed": seed, "second": second, "second-seed": seed, "index": index}
            names = " and ".join(dict.fromkeys(map(network, (first, second))))
            title = f"{figure}: {names}, {repsim.get_index(index).title}"
            panels.append({"title": title, "shows": {**shows, "images": table.key}})
    return panels


def by_architecture(known: Mapping[str, Any]) -> str:
    """Return a table of how many layers linear CKA identifies among the networks of each kind, from a catalogue."""
    rows = []
    for group, facts in known["networks"].items():
        scored = (entry for entry in known["tables"] if group in entry["scores"].get(LINEAR, {}))
        if used := next(scored, None):
            score = used["scores"][LINEAR][group]
            error = "" if score["error"] is None else f" ± {100 * score['error']:.1f}"
            debiased = used["scores"].get(f"{LINEAR}{DEBIASED}", {}).get(group)
            rows.append(
                [
                    facts["title"],
                    str(score["networks"]),
                    str(score["layers"]),
                    used["title"],
                    f"{100 * score['accuracy']:.1f}{error}",
                    f"{100 * debiased['accuracy']:.1f}" if debiased else DASH,
                    f"{100 / score['layers']:.1f}",
                ]
            )
    heads = ["networks", "how many", "layers", "images", "linear CKA (%)", "debiased (%)", "by chance (%)"]
    return markdown_table(heads, rows) if rows else ""


def _index(name: str) -> dict[str, Any]:
    """Return what the page says of an index; a debiased one is coloured on the scale of the biased one."""
    bounds = repsim.get_index(name.removesuffix(DEBIASED)).bounds
    return {
        "title": repsim.get_index(name).title,
        "bounds": [bound if math.isfinite(bound) else None for bound in bounds],
        "exchanged": name in ASYMMETRIC,
    }


def catalogue(profile: Profile, tables: list[SimilarityTable]) -> dict[str, Any]:
    """Return what the page has to know before any similarity: networks, indexes, tables, scores."""
    kept = {artefact.record["name"]: artefact.arrays() for artefact in _latest(profile.name, "ranks")}
    sides = {side["group"]: side for table in tables for side in (*table.columns, *table.rows)}
    names = {index for table in tables for index in table.indexes}
    known = [*repsim.INDEXES, *sorted(names - set(repsim.INDEXES))]
    ordered = sorted((name for name in known if name in names), key=lambda name: not name.startswith("cka"))
    return {
        "profile": profile.name,
        "scheme": HEAT,
        "networks": {
            group: {**facts, "layers": [layer(name) for name in sides[group]["layers"]]}
            for group, facts in known_groups(profile).items()
            if group in sides
        },
        "indexes": {name: _index(name) for name in ordered},
        "tables": [_entry(table, kept) for table in tables],
        "figures": presets(tables),
        "blocks": {},
    }


def _images(table: SimilarityTable) -> str:
    if "splits" in table.record:
        fewer = f" ({table.record['rbf_examples']:,} for RBF CKA)"
        return f"{table.examples:,} tokens{fewer if table.record['rbf_examples'] < table.examples else ''}"
    split = {"train": "training", "test": "test"}[table.record["split"]]
    return f"{table.examples:,} {split} images, {title_of(table.record['dataset'])}"


def _undetermined(table: SimilarityTable, index: str, kept: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Return how many pairs of layers of which two groups leave an index of the CCA type too little room, if any do."""
    if not index.startswith((*CCA_TYPE, "svcca")):
        return {}

    def ranks(side: Mapping[str, Any]) -> list[int]:
        name = f"{side['group']}-{table.record.get('split')}-{table.examples}"
        return layer_ranks(index, side["features"], kept.get(name))

    pairs: dict[str, dict[str, int]] = {}
    for first in table.rows:
        for second in table.columns:
            if count := room(ranks(first), ranks(second), table.examples)["undetermined_pairs"]:
                pairs.setdefault(first["group"], {})[second["group"]] = count
    return pairs


def _entry(table: SimilarityTable, kept: Mapping[str, Any]) -> dict[str, Any]:
    record, groups = table.record, [side["group"] for side in table.rows]
    return {
        "key": table.key,
        "title": _images(table) + (", within each network" if table.own else ""),
        "examples": table.examples,
        "file": f"{record['step']}/{table.path.name}",
        "data": f"data.html#data-{record['step']}",
        "own": table.own,
        "bytes": next(iter(table.held.arrays.values())).dtype.itemsize,
        "indexes": table.indexes,
        "rows": {side["group"]: side["seeds"] for side in table.rows},
        "columns": {side["group"]: side["seeds"] for side in table.columns},
        "undetermined": {index: pairs for index in table.indexes if (pairs := _undetermined(table, index, kept))},
        "scores": {
            index: {group: scored for group in groups if (scored := identification(table, index, group))}
            for index in table.indexes
        },
    }


@cache
def vega() -> str:
    """Return Vega-Lite as one script, as the browser needs it.

    It is made as a module, which a page opened from disk may not load; within a function its names stay its own.
    """
    import vl_convert

    return f"(() => {{\n{vl_convert.javascript_bundle('window.vegaEmbed = vegaEmbed;')}\n}})();\n"


def write_blocks(tables: list[SimilarityTable], folder: Path) -> None:
    """Write each block of each table as a script: the little-endian numbers, row by row, in base 64."""
    for table in tables:
        for index in table.indexes:
            for first, second in table.pairs():
                block = table.block(index, first, second)
                numbers = np.ascontiguousarray(block, block.dtype.newbyteorder("<")).tobytes()
                name = f"{table.key}-{index}-{first}-{second}"
                text = f'explorer.blocks["{name}"] = "{base64.b64encode(numbers).decode()}";\n'
                (folder / f"{name}.js").write_text(text, encoding="utf-8")


def explorer(profile_name: str, static: Path) -> str:
    """Write the scripts of the explorer's page beside ``explorer.js``, and return the HTML that loads them."""
    profile = load_profile(profile_name)
    tables = similarity_tables(profile)
    if not tables:
        return NOTHING
    folder = static / "explorer"
    folder.mkdir(exist_ok=True)
    write_blocks(tables, folder)
    known = catalogue(profile, tables)
    text = json.dumps(known, separators=(",", ":"), ensure_ascii=False)
    (folder / "catalogue.js").write_text(f"window.explorer = {text};\n", encoding="utf-8")
    (folder / "vega.js").write_text(vega(), encoding="utf-8")
    scripts = ("explorer/vega.js", "explorer/catalogue.js", "explorer.js")
    loading = "\n".join(f'<script defer src="../_static/{name}"></script>' for name in scripts)
    return f"{loading}\n\n## Layers identified, by architecture\n\n{SAID}\n\n{by_architecture(known)}"
