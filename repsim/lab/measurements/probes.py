"""How well a linear classifier does on each layer: the lower row of Figure 3."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from repsim.lab.data import load_dataset
from repsim.lab.logistic import PATIENCE, STEPS, STRENGTHS, TOLERANCE, fit_probe
from repsim.lab.measurements.common import finished, forget, made_from, required, resumed
from repsim.lab.measurements.gathering import Members, gather, members
from repsim.lab.profiles import Probes, load_profile
from repsim.lab.progress import progress_bar
from repsim.lab.representations import passing, selected_labels
from repsim.lab.store import Artefact, key, profile_store


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

    def make() -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        before = resumed(address)
        with (
            passing(some.networks, "train", settings.examples),
            passing(some.networks, "test", settings.test_examples),
        ):
            found = _fit(some, settings, address)
        return found, {"profile": profile_name, **some.facts(), **sizes} | before

    fitting = {"strengths": list(STRENGTHS), "patience": PATIENCE, "steps": STEPS, "tolerance": TOLERANCE}
    inputs = made_from(list(some.networks), **sizes, **fitting)
    address = f"probes-{key(inputs)[:12]}"
    artefact = profile_store(profile_name).get("probes", group_name, inputs, make)
    forget(address)
    return artefact


def _fit(some: Members, settings: Probes, address: str) -> dict[str, np.ndarray]:
    dataset, shape = load_dataset(some.group.dataset), (len(some.networks), len(some.layers))
    labels = selected_labels(dataset, "train", settings.examples)
    test_labels = selected_labels(dataset, "test", settings.test_examples)
    train = gather([some], "train", settings.examples, share=0.5)
    test = gather([some], "test", settings.test_examples, share=0.5)

    def of(x: Any, other: Any) -> dict[str, np.ndarray]:
        probe = fit_probe(x[: settings.examples], labels, held_out=settings.held_out)
        accuracy = probe.accuracy(other[: settings.test_examples], test_labels)
        return {"accuracy": np.array(accuracy), "strength": np.array(probe.strength)}

    parts = []
    with progress_bar(f"probes {some.group.name}") as report:
        for place, (x, other) in enumerate(zip(train, test, strict=True)):
            parts.append(finished(f"{address}-{place}", partial(of, x, other)))
            report(place + 1, len(train))
    return {name: np.reshape([part[name] for part in parts], shape) for name in ("accuracy", "strength")}
