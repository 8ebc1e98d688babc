"""Batches of about as many tokens each, of sentences of about the same length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

Tokens = Sequence[np.ndarray]
Batch = tuple[np.ndarray, np.ndarray]


def batches(
    source: Tokens, target: Tokens, tokens: int, buckets: Sequence[int], rng: np.random.Generator
) -> Iterator[Batch]:
    """Yield one epoch of batches: source (n, s) and target (n, s), padded by 0 to the bucket's length.

    Pairs are shuffled within their bucket, the smallest length that holds both sides; batches are shuffled. A batch
    has ``tokens // length`` pairs, so that each bucket has one shape but for its last batch, which is filled up with
    rows of padding. Pairs that no bucket holds are left out; :func:`too_long` counts them.
    """
    lengths = _lengths(source, target)
    chosen = []
    for low, high in zip((0, *buckets), buckets, strict=False):
        there = rng.permutation(np.flatnonzero((lengths > low) & (lengths <= high)))
        size = max(tokens // high, 1)
        chosen += [(high, size, there[start : start + size]) for start in range(0, len(there), size)]
    for number in rng.permutation(len(chosen)):
        length, size, pairs = chosen[number]
        yield pad([source[i] for i in pairs], length, size), pad([target[i] for i in pairs], length, size)


def count_batches(source: Tokens, target: Tokens, tokens: int, buckets: Sequence[int]) -> int:
    """Return the number of batches of an epoch."""
    return sum(1 for _ in batches(source, target, tokens, buckets, np.random.default_rng(0)))


def too_long(source: Tokens, target: Tokens, buckets: Sequence[int]) -> int:
    """Return how many pairs are longer than the last bucket."""
    return int((_lengths(source, target) > buckets[-1]).sum())


def pad(sentences: Tokens, length: int, rows: int = 0) -> np.ndarray:
    """Return sentences as rows of one array, int32, filled up with 0."""
    array = np.zeros((max(rows, len(sentences)), length), np.int32)
    for row, sentence in zip(array, sentences, strict=False):
        row[: len(sentence)] = sentence
    return array


def shifted(target: np.ndarray) -> np.ndarray:
    """Return what the decoder reads: the target one place to the right, after padding."""
    return np.pad(target, [(0, 0), (1, 0)])[:, :-1]


def _lengths(source: Tokens, target: Tokens) -> np.ndarray:
    return np.array(
        [max(len(sentence), len(translation)) for sentence, translation in zip(source, target, strict=True)]
    )
