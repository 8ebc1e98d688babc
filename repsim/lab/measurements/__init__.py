"""What the figures are drawn from: each measurement is an artefact made from the trained networks of a profile.

Every function asks the store first, so a figure can be drawn from committed results without any data or network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from functools import partial

from repsim.lab.errors import ProfileError, known
from repsim.lab.measurements.among import measured_recipes, published, recipe, recipe_groups, trained_members
from repsim.lab.measurements.common import GROUP, networks, saturation_is_recorded
from repsim.lab.measurements.properties import (
    DIMENSION_INDEXES,
    components,
    dimension,
    probes,
    ridge,
    subspace,
)
from repsim.lab.measurements.similarities import (
    between,
    chance,
    chance_within,
    chances_within,
    null_between,
    null_within,
    svcca_ranks,
    tables,
    within,
    within_class,
)
from repsim.lab.profiles import Profile, load_profile
from repsim.lab.published import NETWORKS
from repsim.lab.store import Artefact

__all__ = [
    "DIMENSION_INDEXES", "GROUP", "between", "chance",
    "chance_within", "chances_within", "components", "dimension", "measured_recipes", "networks", "null_between",
    "null_within", "probes", "published", "recipe", "recipe_groups", "ridge", "saturation_is_recorded", "steps",
    "subspace", "svcca_ranks", "tables", "trained_members", "within", "within_class",
]  # fmt: skip

Step = Callable[[], Artefact]


def steps(profile_name: str, only: str = "*") -> dict[str, Step]:
    """Return the measurements of a profile in their order, by names such as ``tables/train`` or ``within/plain10``.

    Parameters
    ----------
    profile_name
        Which profile.
    only
        Pattern of the wanted names.

    Raises
    ------
    ProfileError
        If none matches; the message lists them.
    """
    profile = load_profile(profile_name)
    all_steps: dict[str, Step] = {}

    def add(begins: str, measurement: Callable[..., Artefact], names: Iterable[object]) -> None:
        all_steps.update({f"{begins}{name}": partial(measurement, profile_name, name) for name in names})

    add("tables/", tables, [measure.name for measure in profile.measures])
    all_steps |= {
        "dimension": partial(dimension, profile_name),
        "components": partial(components, profile_name),
        "subspace": partial(subspace, profile_name),
    }
    if profile.ridge:
        all_steps["ridge"] = partial(ridge, profile_name)
    add("between/", between, [comparison.name for comparison in profile.comparisons])
    add("chance/", chance, [comparison.name for comparison in profile.comparisons if comparison.diagonal])
    add("chance/within-", chance_within, [group.name for group in profile.groups(profile.chance)])
    for group, split, examples in _with_svcca(profile):
        all_steps[f"ranks/{group}-{split}-{examples}"] = partial(svcca_ranks, profile_name, group, split, examples)
    for settings, measurement in (
        (profile.within, within),
        (profile.within_class, within_class),
        (profile.probes, probes),
    ):
        groups = profile.groups(settings.groups) if settings else []
        add(f"{measurement.__name__}/", measurement, [group.name for group in groups])
    recipes = [name for name in recipe_groups(profile_name) if len(trained_members(profile_name, name).networks) > 1]
    add("recipes/", recipe, recipes)
    if profile.group(GROUP).dataset == NETWORKS.dataset:  # else there are no images for these networks
        all_steps["published"] = partial(published, profile_name)
    if profile.shuffles:
        add("null/", null_between, [comparison.name for comparison in profile.comparisons if comparison.debiased])
        groups = profile.groups(profile.within.groups) if profile.within else []
        # No claim rests on the layers of an untrained one.
        add("null/within-", null_within, [group.name for group in groups if group.recipe.epochs])
    if profile.transformers:
        epochs = sorted({0, *profile.transformers.snapshots})
        add("transformers/epoch", _followed, epochs)
        all_steps["transformers/table"] = partial(_transformers, profile_name, epochs[-1])
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


def _transformers(profile_name: str, epoch: int) -> Artefact:
    from repsim.lab.transformers.measurement import compare_transformers  # only now is a backend needed

    return compare_transformers(profile_name, epoch)


def _followed(profile_name: str, epoch: int) -> Artefact:
    from repsim.lab.transformers.measurement import follow_transformers

    return follow_transformers(profile_name, epoch)
