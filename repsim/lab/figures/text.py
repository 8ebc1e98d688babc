"""Sentences that every page has: which profile, when, on what machine, at what cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from repsim.lab.data import title_of
from repsim.lab.figures.style import network
from repsim.lab.findings.invariances import BOTH, claimed_invariances
from repsim.lab.findings.training import cost
from repsim.lab.profiles import load_profile
from repsim.lab.wording import SMALLEST_P, number


def duration(hours: float) -> str:
    """Write hours in the unit that suits them."""
    if hours >= 1:
        return f"{hours:.1f} hours"
    return f"{60 * hours:.0f} minutes" if hours >= 1 / 30 else f"{max(1, 3600 * hours):.0f} s"


def cost_sentence(profile: str, records: Sequence[Mapping[str, Any]], what: str) -> str:
    """Return Markdown that says what `records` (of one kind of artefact, called `what`) cost, and in which profile."""
    found = cost(records)
    machine = found["machine"]
    versions = machine.get("versions", {})
    named = ", ".join(
        f"{name} {versions[name]}" for name in ("numpy", "keras", "tensorflow", "jax") if name in versions
    )
    system, cores, python = (machine.get(key, "?") for key in ("system", "processors", "python"))
    cores = f"{cores} processor core{'s' * (cores != 1)}"
    memory = found["mebibytes"] / 1024
    before = f" ({found['resumed']} of {len(records)} runs were interrupted: of these only the last part is counted)"
    before = before if found["resumed"] else ""
    elsewhere = "".join(f", {count} of {len(records)} on {name}" for name, count in found["elsewhere"].items())
    sentence = (
        f"{what[0].upper() + what[1:]} took **{duration(found['hours'])}**{before} and at most {memory:.1f} GiB of "
        f"memory on {system} with {cores}{elsewhere} (Python {python}, {named}); the last was finished on "
        f"{found['last'][:10]}. Profile: `{profile}` ({load_profile(profile).title.split(': ', 1)[-1]})."
    )
    if profile == "smoke":
        sentence += "\n\n**This is the smoke profile: it only shows that the chain works. Its numbers mean nothing.**"
    return sentence


def p_value(p: float) -> str:
    """Write a p-value for a table."""
    return f"< {SMALLEST_P}" if p < SMALLEST_P else f"{p:.3f}"


def sample(*records: Mapping[str, Any]) -> str:
    """Say which networks and how many examples some records of measurements of groups are about."""
    parts = {
        part["group"]: len(part["seeds"])
        for record in records
        for part in (*record.get("rows", [record]), *record.get("columns", []))
    }
    counts = [f"{count} × {network(group)}" for group, count in parts.items()]
    named = " and ".join([", ".join(counts[:-1]), counts[-1]] if len(counts) > 1 else counts)
    first = records[0]
    examples = np.max(first["examples"])
    images = {"train": "training", "test": "test"}[first.get("split", "test")]
    return f"{named}; {examples:,} {images} images of {title_of(first['dataset'])}"


def unchanged_by(index: str) -> str:
    """Say which transformations of the features leave an index unchanged, as Table 1 claims."""
    names = {"invertible": "invertible maps", "orthogonal": "rotations", "scaling": "a common factor"}
    names["same subspace"] = "invertible maps that keep the subspace"
    parts = [
        names[kind] + ("" if arguments == BOTH else " of the predicting side")
        for kind, arguments in claimed_invariances(index).items()
        if arguments
    ]
    return ", ".join(parts) or "nothing"


def thresholds_sentence(values: Mapping[str, Any]) -> str:
    """Say what the values of claim F.3 are, or that the profile does not measure them."""
    if not values:
        return "This profile measures SVCCA at no other threshold."
    return (
        f"Of {values['thresholds']} combinations of threshold and statistic the best identifies "
        f"**{number(values['largest_svcca'])} %** of the layers; linear CKA identifies "
        f"{number(values['cka_linear'])} % on the same {values['examples']:,} examples."
    )
