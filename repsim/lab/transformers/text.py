"""A corpus as tokens, and these in batches.

Both languages share one vocabulary of pieces of words: learnt from the text by sentencepiece, or tensor2tensor's.
Batches are of about as many tokens each, of sentences of about the same length.
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np

from repsim.lab.errors import DataError
from repsim.lab.transformers.corpus import CORPORA, decoded, load_split, subwords_of
from repsim.lab.transformers.settings import Transformers

NO_CHARACTER = "\u3013"  # as tensor2tensor, for numbers that are none
END = 1  # the token that ends each sentence; 0 is padding and 2 what the vocabulary does not know


@cache
def vocabulary(corpus: str, pieces: int, expected: str) -> Any:
    """Return what cuts the texts of a corpus into pieces: its `subwords`, or what is learnt from its training split.

    Learning takes seconds and gives the same pieces everywhere, which `expected`, the hash of the pieces, proves unless
    it is empty. DataError if the text has too few words for so many, the pieces are others, or as :class:`Subwords`
    raises.
    """
    given = subwords_of(corpus)
    processor = Subwords(*given) if given else _learnt(corpus, pieces)
    if processor.get_piece_size() != pieces:
        raise DataError(f"the vocabulary of {corpus} has {processor.get_piece_size()} pieces, not {pieces}")
    if expected and (sha256 := vocabulary_hash(processor)) != expected:
        raise DataError(
            f"the vocabulary of {corpus} is another: expected pieces of SHA-256 {expected}, found {sha256}. Name that "
            "in the profile if you changed the text or the number of pieces."
        )
    return processor


def _learnt(corpus: str, pieces: int) -> Any:
    import sentencepiece

    training, model = load_split(corpus, "train"), io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(training.source + training.target),
            model_writer=model,
            model_type="bpe",
            vocab_size=pieces,
            character_coverage=1.0,
            pad_id=0,
            eos_id=END,
            unk_id=2,
            bos_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise DataError(f"corpus {corpus}: no vocabulary of {pieces} pieces can be learnt from it: {error}") from None
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def vocabulary_hash(processor: Any) -> str:
    """Return the SHA-256 of the pieces, in their order, one a line."""
    pieces = [processor.id_to_piece(number) for number in range(processor.get_piece_size())]
    return hashlib.sha256("\n".join(pieces).encode()).hexdigest()


class Subwords:
    """The vocabulary of tensor2tensor: pieces of escaped words, the longest that fits first.

    A text is cut where letters and digits meet other characters; a single space between two words is left out, and
    each word ends in an underscore.
    """

    def __init__(self, path: str, content: bytes) -> None:
        lines = decoded(path, content).removesuffix("\n").split("\n")
        for number, line in enumerate(lines, 1):
            if len(line) < 2 or line[0] != line[-1] or line[0] not in "'\"":
                raise DataError(f"{path}, line {number}: expected a piece in quotes, found {line:.40}")
        self.pieces = [line[1:-1] for line in lines]
        if self.pieces[:2] != ["<pad>_", "<EOS>_"]:
            raise DataError(f"{path}, line 1: expected '<pad>_' and '<EOS>_', found {self.pieces[:2]}")
        self.numbers = {piece: number for number, piece in enumerate(self.pieces)}
        self.alphabet = set("".join(self.pieces)) | set("\\_u;0123456789")
        self.longest = max(map(len, self.pieces))

    def get_piece_size(self) -> int:
        """Return the number of pieces."""
        return len(self.pieces)

    def id_to_piece(self, number: int) -> str:
        """Return a piece."""
        return self.pieces[number]

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """Return the pieces of each sentence, by their numbers."""
        return [[number for word in _words(sentence) for number in self._cut(word)] for sentence in sentences]

    def decode(self, numbers: Sequence[int]) -> str:
        """Return the text of pieces."""
        words = "".join(self.pieces[number] for number in numbers).split("_")
        words = [re.sub(r"\\u|\\\\|\\([0-9]+);", _unescaped, word) for word in words if word]
        text = words[:1]
        for before, word in zip(words, words[1:], strict=False):
            text += [" ", word] if _is_letter(before[0]) and _is_letter(word[0]) else [word]
        return "".join(text)

    def _cut(self, word: str) -> Iterator[int]:
        escaped = word.replace("\\", "\\\\").replace("_", "\\u")
        escaped = "".join(c if c in self.alphabet and c != "\n" else f"\\{ord(c)};" for c in escaped) + "_"
        start = 0
        while start < len(escaped):
            end = min(start + self.longest, len(escaped))
            while escaped[start:end] not in self.numbers:
                end -= 1
                if end == start:
                    raise DataError(f"the vocabulary has no piece for {escaped[start]!r} in {word!r}")
            yield self.numbers[escaped[start:end]]
            start = end


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LN"


def _words(text: str) -> list[str]:
    runs = ["".join(run) for _, run in groupby(text, _is_letter)]
    return [run for place, run in enumerate(runs) if run != " " or place in (0, len(runs) - 1)]


def _unescaped(match: re.Match[str]) -> str:
    if not match[1]:
        return {"\\u": "_", "\\\\": "\\"}[match[0]]
    number = int(match[1][:8])  # more digits are no character either
    return chr(number) if number <= sys.maxunicode else NO_CHARACTER


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
    pairs = load_split(settings.corpus, split)
    sides = [
        [np.array([*pieces, END], np.int32) for pieces in processor(settings).encode(list(side))]
        for side in (pairs.source, pairs.target)
    ]
    most = settings.network.positions
    for side, sentences in enumerate(sides):
        for number, sentence in enumerate(sentences):
            if len(sentence) > most and split != "train":
                raise DataError(
                    f"{pairs.where(side, number)}: expected at most {most} tokens, found {len(sentence)}; give the "
                    "network more positions"
                )
    expected = CORPORA[settings.corpus].examples.get(split) if settings.corpus in CORPORA else None
    if expected and (count := sum(len(sentence) - 1 for sentence in sides[0])) != expected:
        raise DataError(f"{pairs.where(0, 0)}: expected {expected} tokens in all, found {count}: another vocabulary")
    return Encoded(*sides)


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
