"""The table of the networks that a profile has trained: how accurate they are, where, and in what time."""

from __future__ import annotations

from repsim.lab.explorer.catalogue import network_facts
from repsim.lab.findings.training import accuracies
from repsim.lab.profiles import Networks, load_profile
from repsim.lab.store import Artefact, profile_store
from repsim.lab.weights import find_network
from repsim.lab.wording import table

BACKENDS = {"jax": "JAX", "tensorflow": "TensorFlow", "torch": "PyTorch"}


def trained_networks(profile: str) -> list[tuple[Networks, list[Artefact]]]:
    """Return the groups of networks of which any is trained, each with those that are."""
    store = profile_store(profile)
    groups = [group for group in load_profile(profile).networks if group.recipe.epochs]
    found = [(group, [one for seed in group.seeds if (one := find_network(store, group, seed))]) for group in groups]
    return [(group, some) for group, some in found if some]


def trained(profile: str) -> str:
    """Return a table with a row for each group of networks of which any is trained."""
    rows, whole = [], 0.0
    for group, found in trained_networks(profile):
        scores = accuracies([one.record for one in found])
        seconds = [float(one.record["seconds"]) for one in found]
        whole += sum(seconds)
        rows.append(
            [
                network_facts(group)["title"],
                f"{len(found)} of {len(group.seeds)}",
                f"{scores['accuracy']:.2f} ({scores['lowest']:.2f} to {scores['highest']:.2f})",
                "; ".join(dict.fromkeys(_where(one) for one in found)),
                f"{sum(seconds) / len(seconds) / 60:.1f}"
                + (" (the last run of some)" if any(one.record.get("resumed") for one in found) else ""),
            ]
        )
    if not rows:
        return "*None is trained yet.*"
    heads = ["networks", "trained", "test accuracy, % (lowest to highest)", "on", "minutes of one"]
    return table(heads, rows) + f"\n\n*All records together: {whole / 3600:.1f} hours.*"


def _where(network: Artefact) -> str:
    record = network.record
    device = record.get("device", "CPU")  # records of processors have not always said so
    return f"{device}, {BACKENDS[record['backend']]}"
