"""What a profile costs, before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from repsim.lab.data import classes_of, training_images
from repsim.lab.families import describe as described
from repsim.lab.profiles import Networks, Profile, load_profile, required
from repsim.lab.store import Store, profile_store
from repsim.lab.transformers.settings import Transformers
from repsim.lab.transformers.weights import trained_seeds
from repsim.lab.weights import find_network

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


@dataclass(frozen=True)
class Cost:
    """What one group of networks costs: all of its networks, and the minutes of those that are missing."""

    networks: int
    done: int
    multiply_adds: int
    minutes: float
    memory_mib: int
    gigabytes: float


def multiply_adds(group: Networks) -> int:
    """Return the multiply-adds of one network's forward passes in training; its backward passes take twice as many."""
    recipe = group.recipe
    images = (training_images(group.dataset) - recipe.held_out) // recipe.batch * recipe.batch
    per_image = described(group.architecture, group.channels).multiply_adds(classes_of(group.dataset))
    return per_image * images * recipe.epochs


def training_memory_mib(group: Networks) -> int:
    """Return the memory that training one network takes, estimated from the activations of a batch."""
    features = described(group.architecture, group.channels).features(classes_of(group.dataset))
    activations = KEPT_PER_FEATURE * 4 * sum(features.values()) * group.recipe.batch
    return BASE_MEMORY_MIB + (activations >> 20 if group.recipe.epochs else 0)


def training_job(profile: Profile, group: Networks) -> Job:
    """Return what the training of one network of a group asks for."""
    minutes = math.ceil(START_MINUTES + SLOWER * group.minutes)
    return Job(profile.cluster.training_cpus, profile.cluster.training_gpus, training_memory_mib(group), minutes)


def transformer_job(profile: Profile) -> Job:
    """Return what the training of one Transformer asks for; most of its memory are the logits of a batch."""
    settings = required(profile.transformers, profile.name, "transformers")
    logits = KEPT_PER_FEATURE * 4 * settings.recipe.tokens * settings.pieces
    minutes = math.ceil(START_MINUTES + SLOWER * settings.minutes)
    return Job(profile.cluster.training_cpus, profile.cluster.training_gpus, BASE_MEMORY_MIB + (logits >> 20), minutes)


def measuring_job(profile: Profile) -> Job:
    """Return what one measurement asks for."""
    asked = profile.cluster
    return Job(asked.measuring_cpus, 0, asked.measuring_mib, asked.measuring_minutes)


def cost_of(store: Store, group: Networks) -> Cost:
    """Return what a group of networks costs, given what a store has of it."""
    count = len(group.seeds)
    done = sum(find_network(store, group, seed) is not None for seed in group.seeds)
    return Cost(
        networks=count,
        done=done,
        multiply_adds=count * multiply_adds(group),
        minutes=(count - done) * group.minutes,
        memory_mib=training_memory_mib(group),
        gigabytes=count * group.megabytes / 1000,
    )


def cost_of_transformers(profile_name: str, settings: Transformers) -> Cost:
    """Return what the Transformers of a profile cost; of their operations and memory nothing is estimated."""
    count, done = len(settings.seeds), len(trained_seeds(profile_name))
    return Cost(count, done, 0, (count - done) * settings.minutes, 0, count * settings.megabytes / 1000)


def describe(profile_name: str) -> str:
    """Return the cost of a profile in words: a line per group of networks, the sums, and what has been done."""
    profile, store = load_profile(profile_name), profile_store(profile_name)
    rows = [(group.name, group.dataset, group.recipe.epochs, cost_of(store, group)) for group in profile.networks]
    wide = max(len(name) for name, *_ in rows)
    if of := profile.transformers:
        rows.append(("transformers", of.corpus, of.recipe.epochs, cost_of_transformers(profile_name, of)))
    lines = [
        f"profile {profile.title}",
        f"  {'networks':<{wide}}  data       count  done  epochs  multiply-adds  minutes      MiB      GB",
    ]
    for name, data, epochs, its in rows:
        adds, memory = (f"{its.multiply_adds:.1e}", f"{its.memory_mib:,}") if its.memory_mib else ("–", "–")
        lines.append(
            f"  {name:<{wide}}  {data:<9}  {its.networks:>5}  {its.done:>4}  {epochs:>6}"
            f"  {adds:>13}  {its.minutes:>7,.1f}  {memory:>7}  {its.gigabytes:>6,.1f}"
        )
    costs = [its for *_, its in rows]
    count, done = sum(cost.networks for cost in costs), sum(cost.done for cost in costs)
    minutes, operations = sum(cost.minutes for cost in costs), sum(cost.multiply_adds for cost in costs)
    processor = "GPU" if profile.cluster.training_gpus else "processor core"
    return "\n".join(
        [
            *lines,
            f"  to train: {count - done} of {count} networks, "
            f"about {minutes:,.0f} minutes ({minutes / 60:,.1f} hours) of one {processor}",
            f"  operations: {operations:.1e} multiply-adds in the forward passes of all networks, twice that in the "
            "backward passes",
            f"  memory: up to {max(cost.memory_mib for cost in costs):,} MiB for one network in training, up to "
            f"{profile.cluster.measuring_mib / 1024:.0f} GiB for the tables",
            f"  disk: about {sum(cost.gigabytes for cost in costs):,.1f} GB of representations in all, of which the "
            "cache holds those of one measurement at a time",
        ]
    )
