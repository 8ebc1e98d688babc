"""A corpus as tokens: the splits of a profile's Transformers, cut into pieces of its vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from repsim.lab.errors import DataError
from repsim.lab.transformers import corpus
from repsim.lab.transformers.settings import Transformers
from repsim.lab.transformers.vocabulary import encode, vocabulary


@dataclass(frozen=True)
class Encoded:
    """The tokens of a split, each sentence with its end."""

    source: list[np.ndarray]
    target: list[np.ndarray]


def processor(settings: Transformers) -> Any:
    """Return what cuts text into pieces and joins them again."""
    return vocabulary(settings.corpus, settings.pieces, settings.vocabulary)


@cache
def tokens(settings: Transformers, split: str) -> Encoded:
    """Return a split as tokens.

    DataError names file and line of a sentence with more tokens than the network has positions, but in the training
    split, whose buckets leave it out; also if the split has another number of source tokens than its corpus says.
    """
    pairs = corpus.load_split(settings.corpus, split)
    sides = [encode(processor(settings), side) for side in (pairs.source, pairs.target)]
    most = settings.network.positions
    for side, sentences in enumerate(sides):
        for number, sentence in enumerate(sentences):
            if len(sentence) > most and split != "train":
                raise DataError(
                    f"{pairs.where(side, number)}: expected at most {most} tokens, found {len(sentence)}; give the "
                    "network more positions"
                )
    expected = corpus.CORPORA[settings.corpus].examples.get(split) if settings.corpus in corpus.CORPORA else None
    if expected and (count := sum(len(sentence) - 1 for sentence in sides[0])) != expected:
        raise DataError(f"{pairs.where(0, 0)}: expected {expected} tokens in all, found {count}: another vocabulary")
    return Encoded(*sides)
