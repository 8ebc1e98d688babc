"""What a profile says of its Transformers: text, network, training and what is compared. Needs no backend."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Self

from annotated_types import Ge, Lt, MinLen
from pydantic import (
    AfterValidator,
    ConfigDict,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    model_validator,
)
from pydantic.dataclasses import dataclass

import repsim
from repsim.lab.transformers.corpus import splits_of

CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def _rise(numbers: tuple[Any, ...], info: ValidationInfo) -> tuple[Any, ...]:
    if list(numbers) != sorted(set(numbers)):
        raise ValueError(f"{info.field_name} must rise, found {list(numbers)}")
    return numbers


def _are_known(indexes: tuple[str, ...]) -> tuple[str, ...]:
    for name in indexes:
        try:
            repsim.get_index(name)
        except repsim.UnknownIndexError as error:
            raise ValueError(str(error)) from None
    return indexes


Share = Annotated[float, Ge(0), Lt(1)]
Indexes = Annotated[tuple[str, ...], AfterValidator(_are_known)]
Rising = AfterValidator(_rise)


@dataclass(frozen=True, config=CONFIG)
class Recipe:
    """How a Transformer is trained; the profile's file says why each number is what it is.

    Batches have about `tokens` of the longer side, padding counted. Sentences are padded to the lengths in `buckets`;
    pairs longer than the last are left out and counted. The rate is `rate` times width^-0.5 times min(step /
    warmup^1.5, step^-0.5), and falls linearly to 0 over the last part `fall` of the steps. `smoothing` is the share of
    a target's probability that goes to all other tokens alike.
    """

    epochs: PositiveInt
    tokens: PositiveInt
    buckets: Annotated[tuple[PositiveInt, ...], MinLen(1), Rising]
    rate: PositiveFloat
    warmup: PositiveInt
    fall: Share
    smoothing: Share


@dataclass(frozen=True, config=CONFIG)
class Network:
    """The sizes of the network; :mod:`repsim.lab.transformers.network` builds it."""

    width: PositiveInt
    hidden: PositiveInt
    heads: PositiveInt
    encoder_layers: PositiveInt
    decoder_layers: PositiveInt
    dropout: Share
    positions: PositiveInt


BASE = Network(512, 2048, 8, 6, 6, 0.1, 256)  # tensor2tensor's `transformer_base`, version 3


@dataclass(frozen=True, config=CONFIG)
class Transformers:
    """The Transformers of a profile.

    `vocabulary` is the SHA-256 of its pieces. Of the seeds in `followed` networks are kept and compared at the
    `snapshots` (epochs, 0: untrained) before the last too. The source tokens of `splits` are the examples; the first
    one's loss is in the records. `scored` is the split whose translations BLEU scores. RBF CKA is on the first
    `rbf_tokens` of a fixed random order only, 0: all. The followed have fewer indexes and tokens. Minutes of training
    and megabytes of representations are those of one network; `committed` says whether weights after the last epoch are
    in the repository.
    """

    corpus: str
    pieces: PositiveInt
    vocabulary: str
    network: Network
    recipe: Recipe
    seeds: tuple[NonNegativeInt, ...]
    snapshots: Annotated[tuple[NonNegativeInt, ...], Rising]
    followed: tuple[int, ...]
    splits: tuple[str, ...]
    scored: str
    indexes: Indexes
    followed_indexes: Indexes
    rbf_tokens: NonNegativeInt
    followed_rbf_tokens: NonNegativeInt
    minutes: PositiveFloat
    megabytes: PositiveFloat
    committed: bool = False

    @property
    def paper_size(self) -> bool:
        """Whether network and text are those of tensor2tensor's library, which the paper used."""
        return self.corpus == "wmt32k" and self.network == BASE

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        width, heads, positions = self.network.width, self.network.heads, self.network.positions
        last = self.recipe.buckets[-1]
        if width % (2 * heads):
            raise ValueError(f"width must be an even multiple of heads, found {width} and {heads}")
        if last > positions:
            raise ValueError(f"the last bucket must not exceed the {positions} positions, found {last}")
        if self.snapshots[-1:] != (self.recipe.epochs,):
            raise ValueError(f"snapshots must end with the {self.recipe.epochs} epochs, found {list(self.snapshots)}")
        for name, seeds in (("seeds", self.seeds), ("followed", self.followed)):
            if len(set(seeds)) < 2 or not set(seeds) <= set(self.seeds):
                raise ValueError(f"{name} must be two or more different ones of the seeds, found {list(seeds)}")
        held_out = [split for split in splits_of(self.corpus) if split != "train"]
        for name, splits in (("splits", self.splits), ("scored", (self.scored,))):
            if not splits or not set(splits) <= set(held_out):
                raise ValueError(f"{name} must be of {held_out}, found {list(splits)}")
        return self

    def inputs(self) -> dict[str, Any]:
        """Return what the weights depend on beside corpus, seed and epoch, as JSON values."""
        recipe = asdict(self.recipe)
        return {
            "vocabulary": self.vocabulary,
            "network": asdict(self.network),
            "recipe": {**recipe, "buckets": list(recipe["buckets"])},
        }
