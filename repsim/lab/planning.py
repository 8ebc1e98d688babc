"""What a profile costs, before it starts."""

from __future__ import annotations

from repsim.lab.profiles import load_profile
from repsim.lab.store import profile_store
from repsim.lab.weights import find_network

TRAINING_MEMORY_MIB = 1400  # measured: one process with the training set, padded, in memory
TABLES_MEMORY_GIB = 12


def describe(profile_name: str) -> str:
    """Return the cost of a profile in words: networks, epochs, minutes, memory, disk, and what has been done."""
    profile = load_profile(profile_name)
    store = profile_store(profile_name)
    jobs = [(group, seed) for group in profile.networks for seed in group.seeds]
    missing = [(group, seed) for group, seed in jobs if find_network(store, group, seed) is None]
    lines = [f"profile {profile.name}: {profile.title}"]
    for group in profile.networks:
        lines.append(
            f"  {len(group.seeds)} x {group.architecture} on {group.dataset}, {group.recipe.epochs} epochs each"
        )
    minutes = len(missing) * profile.minutes_per_network
    lines += [
        f"  to train: {len(missing)} of {len(jobs)} networks, about {minutes:.0f} minutes of one processor core",
        f"  memory: {TRAINING_MEMORY_MIB} MiB per network in training, up to {TABLES_MEMORY_GIB} GiB for the tables",
        f"  disk: about {len(jobs) * profile.megabytes_per_network / 1000:.1f} GB of representations in the cache",
    ]
    return "\n".join(lines)
