"""What a profile says of its Transformers: text, network, training and what is compared. Needs no backend."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Self

from pydantic import ConfigDict, model_validator
from pydantic.dataclasses import dataclass

CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, config=CONFIG)
class Recipe:
    """How a Transformer is trained; the profile's file says why each number is what it is.

    Attributes
    ----------
    epochs, tokens
        Passes through the training pairs, in batches of about so many tokens of the longer side, padding counted.
    buckets : tuple of int
        Lengths, ends included, up to which sentences are padded, so that batches have few shapes. The last bounds
        what is trained on: longer pairs are left out and counted.
    rate, warmup, fall
        The rate is `rate` times width^-0.5, times min(step / warmup^1.5, step^-0.5); over the last part `fall` of the
        steps it falls linearly to 0.
    smoothing
        The share of the target's probability that goes to all other tokens alike.
    """

    epochs: int
    tokens: int
    buckets: tuple[int, ...]
    rate: float
    warmup: int
    fall: float
    smoothing: float


@dataclass(frozen=True, config=CONFIG)
class Network:
    """The sizes of the network; :mod:`repsim.lab.transformers.network` builds it."""

    width: int
    hidden: int
    heads: int
    encoder_layers: int
    decoder_layers: int
    dropout: float
    positions: int


@dataclass(frozen=True, config=CONFIG)
class Transformers:
    """The Transformers of a profile.

    Attributes
    ----------
    corpus : str
        The name of the text; :mod:`repsim.lab.transformers.corpus` knows them.
    pieces, vocabulary
        The size of the vocabulary, and the SHA-256 of its pieces.
    seeds
        Which networks there are.
    snapshots, followed
        After which epochs networks are kept, 0 being the untrained network, and the seeds of those that are kept and
        compared before the last epoch too.
    splits
        Whose source tokens are the examples; the loss of the first, which is not trained on, is in the records.
    scored
        The split whose translations are scored by BLEU.
    indexes, followed_indexes, rbf_tokens
        What is measured at each tap, and of the networks that are followed; RBF CKA on the first so many tokens of a
        fixed random order only, 0 for all.
    minutes, megabytes
        Of the training of one network, and of its representations.
    committed
        Whether the weights after the last epoch are in the repository; of others the records are.
    """

    corpus: str
    pieces: int
    vocabulary: str
    network: Network
    recipe: Recipe
    seeds: tuple[int, ...]
    snapshots: tuple[int, ...]
    followed: tuple[int, ...]
    splits: tuple[str, ...]
    scored: str
    indexes: tuple[str, ...]
    followed_indexes: tuple[str, ...]
    rbf_tokens: int
    minutes: float
    megabytes: float
    committed: bool = False

    @property
    def paper_size(self) -> bool:
        """Whether network and text are those of tensor2tensor's library, which the paper used."""
        return self.corpus == "wmt32k" and self.network == Network(512, 2048, 8, 6, 6, 0.1, 256)

    @model_validator(mode="after")
    def _can_be_trained(self) -> Self:
        width, heads, buckets = self.network.width, self.network.heads, list(self.recipe.buckets)
        if width % (2 * heads):
            raise ValueError(f"width must be an even multiple of heads, found {width} and {heads}")
        if buckets != sorted(set(buckets)) or not buckets:
            raise ValueError(f"buckets must rise, found {buckets}")
        if buckets[-1] > self.network.positions:
            raise ValueError(
                f"the last bucket must not exceed the {self.network.positions} positions, found {buckets[-1]}"
            )
        if list(self.snapshots) != sorted(set(self.snapshots)) or self.snapshots[-1:] != (self.recipe.epochs,):
            raise ValueError(
                f"snapshots must rise and end with the {self.recipe.epochs} epochs, found {list(self.snapshots)}"
            )
        if not set(self.followed) <= set(self.seeds):
            raise ValueError(f"followed must be among the seeds {list(self.seeds)}, found {list(self.followed)}")
        if len(self.seeds) < 2:
            raise ValueError(f"seeds must be two or more, found {list(self.seeds)}")
        return self

    def inputs(self) -> dict[str, Any]:
        """Return what the weights depend on beside corpus, seed and epoch, as JSON values."""
        recipe = asdict(self.recipe)
        return {
            "vocabulary": self.vocabulary,
            "network": asdict(self.network),
            "recipe": {**recipe, "buckets": list(recipe["buckets"])},
        }
