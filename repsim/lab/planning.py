"""What a profile costs, before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from repsim.lab.data import classes_of, training_images
from repsim.lab.families import describe as described
from repsim.lab.profiles import Networks, Profile, load_profile, required
from repsim.lab.store import profile_store
from repsim.lab.transformers.settings import Transformers
from repsim.lab.weights import find_network, trained_seeds

BASE_MEMORY_MIB = 1700  # measured: one process with the training set, padded, in memory, and a small network
KEPT_PER_FEATURE = 3  # float32 numbers that the backward pass needs: outputs of convolution, normalisation, ReLU
START_MINUTES = 10  # what a job may take to load its programs and data from a cluster's file system
SLOWER = 3  # how many times as long as planned a network may train before a cluster ends the job


@dataclass(frozen=True)
class Job:
    """What one job asks a scheduler for."""

    cpus: int
    gpus: int
    memory_mib: int
    minutes: int

    def again(self, attempt: int) -> Job:
        """Return what it asks for at its first, second, ... attempt: half as much memory and time more each time."""
        share = (1 + attempt) / 2
        return Job(self.cpus, self.gpus, math.ceil(share * self.memory_mib), math.ceil(share * self.minutes))


def multiply_adds(group: Networks) -> int:
    """Return the multiply-adds of one network's forward passes in training; its backward passes take twice as many."""
    recipe = group.recipe
    images = (training_images(group.dataset) - recipe.held_out) // recipe.batch * recipe.batch
    per_image = described(group.architecture, group.channels).multiply_adds(classes_of(group.dataset))
    return per_image * images * recipe.epochs


def _features(group: Networks) -> int:
    """Return the number of features of all represented layers together."""
    return sum(described(group.architecture, group.channels).features(classes_of(group.dataset)).values())


def training_memory_mib(group: Networks | Transformers) -> int:
    """Return the memory that training one network takes, estimated from a batch: its activations, or its logits."""
    if isinstance(group, Networks):
        numbers = _features(group) * group.recipe.batch if group.recipe.epochs else 0
    else:
        numbers = group.recipe.tokens * group.pieces
    return BASE_MEMORY_MIB + (KEPT_PER_FEATURE * 4 * numbers >> 20)


def training_job(profile: Profile, group: Networks | Transformers) -> Job:
    """Return what the training of one network of a group, or of one Transformer, asks for."""
    minutes = math.ceil(START_MINUTES + SLOWER * group.minutes)
    return Job(profile.cluster.training_cpus, profile.cluster.training_gpus, training_memory_mib(group), minutes)


def transformer_job(profile: Profile) -> Job:
    """Return what the training of one Transformer asks for."""
    return training_job(profile, required(profile.transformers, profile.name, "transformers"))


def measuring_job(profile: Profile) -> Job:
    """Return what one measurement asks for."""
    asked = profile.cluster
    return Job(asked.measuring_cpus, 0, asked.measuring_mib, asked.measuring_minutes)


def gigabytes(profile: Profile, group: Networks | Transformers) -> float:
    """Return what the representations of one network take, of an image network on as many images as the test has."""
    if not isinstance(group, Networks):
        return group.megabytes / 1000
    return 4e-9 * _features(group) * profile.measure("test").examples


def describe(profile_name: str) -> str:
    """Return the cost of a profile in words: a line per group of networks, the sums, and what has been done."""
    profile, store = load_profile(profile_name), profile_store(profile_name)
    rows: list[tuple[str, str, int, int, int, int, float, int, float]] = []

    def add(name: str, data: str, group: Networks | Transformers, done: int, adds: int = 0, memory: int = 0) -> None:
        count, missing, size = len(group.seeds), len(group.seeds) - done, gigabytes(profile, group)
        minutes = missing * group.minutes
        rows.append((name, data, count, done, group.recipe.epochs, count * adds, minutes, memory, count * size))

    for group in profile.networks:
        done = sum(find_network(store, group, seed) is not None for seed in group.seeds)
        add(group.name, group.dataset, group, done, multiply_adds(group), training_memory_mib(group))
    wide = max(len(name) for name, *_ in rows)
    if of := profile.transformers:  # of whose operations and memory nothing is said
        add("transformers", of.corpus, of, len(trained_seeds(profile_name)))
    lines = [
        f"profile {profile.title}",
        f"  {'networks':<{wide}}  data       count  done  epochs  multiply-adds  minutes      MiB      GB",
    ]
    for name, data, networks, done, epochs, adds, minutes, memory, size in rows:
        shown, mib = (f"{adds:.1e}", f"{memory:,}") if memory else ("–", "–")
        lines.append(
            f"  {name:<{wide}}  {data:<9}  {networks:>5}  {done:>4}  {epochs:>6}"
            f"  {shown:>13}  {minutes:>7,.1f}  {mib:>7}  {size:>6,.1f}"
        )
    _, _, counts, dones, _, operations, times, memories, sizes = zip(*rows, strict=True)
    processor = "GPU" if profile.cluster.training_gpus else "processor core"
    lines += [
        f"  to train: {sum(counts) - sum(dones)} of {sum(counts)} networks, "
        f"about {sum(times):,.0f} minutes ({sum(times) / 60:,.1f} hours) of one {processor}",
        f"  operations: {sum(operations):.1e} multiply-adds in the forward passes of all networks, twice that in the "
        "backward passes",
        f"  memory: up to {max(memories):,} MiB for one network in training, up to "
        f"{profile.cluster.measuring_mib / 1024:.0f} GiB for the tables",
        f"  disk: about {sum(sizes):,.1f} GB of representations of the test’s images in all, of which the cache holds "
        "those of one measurement at a time",
    ]
    return "\n".join(lines)
