"""How well a linear classifier does on each layer: the lower row of Figure 3."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from repsim.lab.data import load_dataset
from repsim.lab.logistic import PATIENCE, STEPS, STRENGTHS, TOLERANCE, fit_probe
from repsim.lab.measurements.common import Scratch, gather, made_from, measured, members, required
from repsim.lab.profiles import load_profile
from repsim.lab.progress import progress_bar
from repsim.lab.representations import selected_labels
from repsim.lab.store import Artefact


def probes(profile_name: str, group_name: str) -> Artefact:
    """Return the test accuracy of l2-regularised logistic regression on every layer of the networks of a group.

    Parameters
    ----------
    profile_name, group_name
        Of which profile, and which group of its networks.

    Returns
    -------
    Artefact
        "accuracy" (m, L), share of the test images, and "strength" (m, L), the penalty that held-out training images
        chose, :func:`repsim.lab.logistic.fit_probe`.

    Raises
    ------
    ProfileError
        If the profile does not say on how many images.
    """
    settings = required(load_profile(profile_name).probes, profile_name, "probes")
    (some,) = members(profile_name, (group_name,), settings.networks)
    sizes = {name: getattr(settings, name) for name in ("examples", "held_out", "test_examples")}

    def make(scratch: Scratch) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        dataset, counts = load_dataset(some.group.dataset), {"train": settings.examples, "test": settings.test_examples}
        labels = {split: selected_labels(dataset, split, count) for split, count in counts.items()}
        layers = {split: gather(scratch, [some], split, count, share=0.5) for split, count in counts.items()}

        def fit(place: int) -> dict[str, np.ndarray]:
            x, other = (layers[split][place][:count] for split, count in counts.items())
            probe = fit_probe(x, labels["train"], held_out=settings.held_out)
            values = {"accuracy": probe.accuracy(other, labels["test"]), "strength": probe.strength}
            return {name: np.array(value) for name, value in values.items()}

        parts = []
        with progress_bar(f"probes {group_name}") as report:
            for place in range(len(layers["train"])):
                parts.append(scratch.finished(str(place), partial(fit, place)))
                report(place + 1, len(layers["train"]))
        shape = len(some.networks), len(some.layers)
        arrays = {name: np.reshape([part[name] for part in parts], shape) for name in parts[0]}
        return arrays, {**some.facts(), **sizes}

    fitting = {"strengths": list(STRENGTHS), "patience": PATIENCE, "steps": STEPS, "tolerance": TOLERANCE}
    return measured(profile_name, "probes", group_name, made_from(some.networks, **sizes, **fitting), make)
