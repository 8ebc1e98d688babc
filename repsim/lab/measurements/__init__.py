"""What the figures are drawn from: each measurement is an artefact made from the trained networks of a profile.

Every function asks the store first, so a figure can be drawn from committed results without any data or network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from repsim.lab.errors import ProfileError, known
from repsim.lab.measurements import properties, similarities
from repsim.lab.measurements.common import GROUP
from repsim.lab.profiles import Profile, load_profile
from repsim.lab.published import NETWORKS
from repsim.lab.store import Artefact

Step = Callable[[], Artefact]


def steps(profile_name: str, only: str = "*") -> dict[str, Step]:
    """Return the measurements of a profile in their order, by names such as ``tables/train`` or ``within/plain10``.

    `only` is a pattern of the wanted ones; ProfileError lists all if it matches none.
    """
    profile = load_profile(profile_name)
    all_steps: dict[str, Step] = {}

    def add(begins: str, measurement: Callable[..., Artefact], names: Iterable[object]) -> None:
        all_steps.update({f"{begins}{name}": partial(measurement, profile_name, name) for name in names})

    def named(entries: Iterable[Any]) -> list[str]:
        return [entry.name for entry in entries]

    add("tables/", similarities.tables, named(profile.measures))
    for measurement in (properties.dimension, properties.components, properties.subspace, properties.spectra):
        all_steps[measurement.__name__] = partial(measurement, profile_name)
    if profile.ridge:
        all_steps["ridge"] = partial(properties.ridge, profile_name)
    add("between/", similarities.between, named(profile.comparisons))
    add("chance/", similarities.chance, [comparison.name for comparison in profile.comparisons if comparison.diagonal])
    add("chance/within-", similarities.chance_within, named(profile.groups(profile.chance)))
    for asked in _with_svcca(profile):
        all_steps["ranks/{}-{}-{}".format(*asked)] = partial(similarities.svcca_ranks, profile_name, *asked)
    for module, name in ((similarities, "within"), (similarities, "within_class"), (properties, "probes")):
        if settings := getattr(profile, name):
            add(f"{name}/", getattr(module, name), named(profile.groups(settings.groups)))
    recipes = similarities.recipe_groups(profile_name)
    enough = [name for name in recipes if len(similarities.trained_members(profile_name, name).networks) > 1]
    add("recipes/", similarities.recipe, enough)
    if profile.group(GROUP).dataset == NETWORKS.dataset:  # else there are no images for these networks
        all_steps["published"] = partial(similarities.published, profile_name)
    if profile.shuffles:
        debiased = [comparison.name for comparison in profile.comparisons if comparison.debiased]
        add("null/", similarities.null_between, debiased)
        groups = profile.groups(profile.within.groups) if profile.within else []
        # No claim rests on the layers of an untrained one.
        add("null/within-", similarities.null_within, [group.name for group in groups if group.recipe.epochs])
    if profile.transformers:
        epochs = sorted({0, *profile.transformers.snapshots})
        add("transformers/epoch", partial(_transformers, "follow"), epochs)
        all_steps["transformers/table"] = partial(_transformers, "compare", profile_name, epochs[-1])
        all_steps["transformers/scales"] = partial(_transformers, "scale", profile_name, epochs[-1])
    chosen = {name: step for name, step in all_steps.items() if fnmatchcase(name, only)}
    if not chosen:
        raise ProfileError(known("measurement", only, all_steps))
    return chosen


def _with_svcca(profile: Profile) -> list[tuple[str, str, int]]:
    """Return of which groups, on how many examples of which split, SVCCA is measured."""
    asked = {(GROUP, measure.split, measure.examples) for measure in profile.measures if "svcca_r2" in measure.indexes}
    for comparison in profile.comparisons:
        if "svcca_r2" in comparison.indexes:
            groups = profile.groups((*comparison.groups, *(comparison.columns or ())))
            asked |= {(group.name, comparison.split, examples) for group in groups for examples in comparison.examples}
    return sorted(asked)


def _transformers(what: str, profile_name: str, epoch: int) -> Artefact:
    from repsim.lab.transformers import measurement  # only now is a backend needed

    return getattr(measurement, f"{what}_transformers")(profile_name, epoch)
