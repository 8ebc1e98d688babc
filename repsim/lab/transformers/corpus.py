"""Pairs of sentences in two languages: fetched by address and hash, or made up; checked line by line."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from repsim.lab.data import fetch_file
from repsim.lab.errors import DataError, known
from repsim.lab.repository import data_root

Sentences = tuple[str, ...]


@dataclass(frozen=True)
class Split:
    """The sentences of one part of a corpus; those of `source` and `target` at one place mean the same.

    `files` are the pairs of files that they stand in, one after the other, each with its number of lines.
    """

    source: Sentences
    target: Sentences
    files: tuple[tuple[str, str, int], ...]

    def where(self, side: int, number: int) -> str:
        """Return file and line of a sentence, counted from 0, of the source (0) or the target (1)."""
        for *paths, lines in self.files:
            if number < lines:
                return f"{paths[side]}, line {number + 1}"
            number -= lines
        raise IndexError(number)


@dataclass(frozen=True)
class Part:
    """Two files, one sentence a line, plain or compressed by gzip; `archive` is the tar file that they stand in."""

    source: str
    target: str
    archive: str = ""


@dataclass(frozen=True)
class Corpus:
    """Where the texts of a corpus are: splits as parts, one after the other.

    Files are looked for in `folder` of the data folder, then fetched from `home`. `hashes` are SHA-256 of files, and
    `fingerprints` those of splits as :func:`fingerprint` takes them, so that results are found without the text. Where
    there are none, the text is read and its own fingerprint decides the addresses of what is made from it.
    `subwords` is the address of the vocabulary, of tensor2tensor's kind, where it is not learnt from the text, and
    `examples` the number of source tokens, sentences' ends left out, that a split must have in it.
    """

    folder: str
    home: str
    splits: Mapping[str, tuple[Part, ...]]
    hashes: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    subwords: str = ""
    examples: Mapping[str, int] = field(default_factory=dict)


CORPORA = {
    "multi30k": Corpus(  # Elliott and others, 2016: descriptions of pictures, about 13 words each
        folder="multi30k",
        home="https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw/",
        splits={
            split: (Part(f"{split}.en.gz", f"{split}.de.gz"),)
            for split in (
                "train",
                "val",
                "test_2016_flickr",
                "test_2017_flickr",
                "test_2017_mscoco",
                "test_2018_flickr",
            )
        },
        hashes={
            "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
            "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
            "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
            "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
            "test_2016_flickr.en.gz": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
            "test_2016_flickr.de.gz": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
            "test_2017_flickr.en.gz": "76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074",
            "test_2017_flickr.de.gz": "a2c89666db00c495cd8513b9d708d5a3acc205d7de312ef2bf5fb7ebc1540aee",
            "test_2017_mscoco.en.gz": "aab300bfb4427697987e02cd0aacd44bfe8aa50456231b6474c08038bbed2b58",
            "test_2017_mscoco.de.gz": "799e4854c25d601cb6cb6be29eabe5667734c61ace2f495e03e429031a0bc338",
            "test_2018_flickr.en.gz": "ef4f4844037d4c5dea75c9a8ed5fd78905967a26f67c255e230cc9780032654d",
            "test_2018_flickr.de.gz": "ddd0130c7d97482dc5197a02141dae8dd79f20f03586c480d675c09a32daf608",
        },
        fingerprints={
            "train": "4e95eaa6bc198739d60673c8be0cac3eb018af776b13b9116f5373d55388f2cb",
            "val": "2da4aa9f2f00e8aa94e3df29b4669e663fe821b662405a2d9b7fe9ca0ca1f837",
            "test_2016_flickr": "5a087b0b6254fc8da010153b56c4450c369a2709abed12cce8b9ef6db260db35",
            "test_2017_flickr": "d0e747751d8dbfbcdb6fb9a35f3494aebe67a141225a22d5e221ffd162e2b73c",
            "test_2017_mscoco": "fbcaebf89c374449e010a70a887b750ae0679729caac3cdf23b2b9cdbbb77b5b",
            "test_2018_flickr": "b34934dd7dfa8b083d98b02fed1c3a460f983bb71c4ba2289e13e7cb2b5ee839",
        },
    ),
    "wmt32k": Corpus(  # tensor2tensor's translate_ende_wmt32k
        folder="wmt32k",
        home="https://",
        splits={
            "train": tuple(
                Part(f"{stem}.de-en.en", f"{stem}.de-en.de", archive)
                for archive, stem in {
                    "data.statmt.org/wmt18/translation-task/training-parallel-nc-v13.tgz": (
                        "training-parallel-nc-v13/news-commentary-v13"
                    ),
                    "www.statmt.org/wmt13/training-parallel-commoncrawl.tgz": "commoncrawl",
                    "www.statmt.org/wmt13/training-parallel-europarl-v7.tgz": "training/europarl-v7",
                }.items()
            ),
            "newstest2013": (
                Part("dev/newstest2013.en", "dev/newstest2013.de", "data.statmt.org/wmt17/translation-task/dev.tgz"),
            ),
        },
        subwords="storage.googleapis.com/tensor2tensor-data/vocab.translate_ende_wmt32k.32768.subwords",
        examples={"newstest2013": 75_804},  # the paper's number of tokens
    ),
}


def splits_of(name: str) -> tuple[str, ...]:
    """Return the splits of a corpus; DataError if there is no such corpus."""
    if name not in (*CORPORA, "toy"):
        raise DataError(known("corpus", name, (*CORPORA, "toy")))
    return tuple(CORPORA[name].splits if name in CORPORA else TOY_SENTENCES)


@cache
def load_split(name: str, split: str) -> Split:
    """Return one split of a corpus, fetching its files first if they are not there.

    DataError names what is unknown, missing and cannot be fetched, altered, not UTF-8, empty or of unequal length, by
    file and line.
    """
    if split not in splits_of(name):
        raise DataError(known(f"split of {name}", split, splits_of(name)))
    if name == "toy":
        return _toy(split)
    corpus, source, target, files = CORPORA[name], list[str](), list[str](), list[tuple[str, str, int]]()
    for part in corpus.splits[split]:
        texts = [_text(corpus, part.archive, file) for file in (part.source, part.target)]
        (first, ours), (second, theirs) = ((path, sentences(path, content)) for path, content in texts)
        if len(ours) != len(theirs):
            raise DataError(
                f"{first if len(ours) > len(theirs) else second}, line {min(len(ours), len(theirs)) + 1}: expected no "
                f"further line, since each sentence of {first} ({len(ours)} lines) has its translation in {second} "
                f"({len(theirs)} lines)"
            )
        source += ours
        target += theirs
        files.append((first, second, len(ours)))
    return Split(tuple(source), tuple(target), tuple(files))


@cache
def fingerprint(name: str, split: str) -> str:
    """Return the SHA-256 of the sentences of a split, both sides, without reading it if it is known."""
    if name in CORPORA and split in CORPORA[name].fingerprints:
        return CORPORA[name].fingerprints[split]
    pairs, digest = load_split(name, split), hashlib.sha256()
    for source, target in zip(pairs.source, pairs.target, strict=True):
        digest.update(f"{source}\t{target}\n".encode())
    return digest.hexdigest()


def decoded(path: str, content: bytes) -> str:
    """Return a text; DataError says in which line it is not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {number}: expected UTF-8, found the byte 0x{content[error.start]:02x}") from None


def sentences(path: str, content: bytes) -> Sentences:
    """Return the lines of a text; DataError if it is not UTF-8, has no sentence, or a carriage return breaks a line."""
    text = decoded(path, content.removeprefix(codecs.BOM_UTF8))
    # Only "\n" ends a line: texts hold other separators inside of them.
    lines = [line.strip() for line in text.removesuffix("\n").split("\n")]
    if not any(lines):
        raise DataError(f"{path}, line 1: expected a sentence on each line, found an empty file")
    for number, line in enumerate(lines, 1):
        if "\r" in line:
            raise DataError(f"{path}, line {number}: expected lines that end in \\n, found \\r within the line")
    return tuple(lines)


@cache
def subwords_of(name: str) -> tuple[str, bytes] | None:
    """Return path and content of a corpus's file of pieces, fetched if it is not there; None where it has none."""
    if name not in CORPORA or not CORPORA[name].subwords:
        return None
    path = _file(CORPORA[name], CORPORA[name].subwords)
    return str(path), path.read_bytes()


def _text(corpus: Corpus, archive: str, name: str) -> tuple[str, bytes]:
    """Return where a text stands, and its bytes, unpacked; DataError if a file is damaged, or not in its archive."""
    path = _file(corpus, archive or name)
    where = f"{path}, {name}" if archive else str(path)
    try:
        if not archive:
            return where, gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        with tarfile.open(path) as opened:
            if name in opened.getnames() and (member := opened.extractfile(name)):
                return where, member.read()
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{path} is damaged ({error}). Delete it to fetch it again.") from None
    raise DataError(f"{where}: expected a file, found none")


def _file(corpus: Corpus, name: str) -> Path:
    """Return a file or archive of a corpus, which is fetched if it is not there and checked if its hash is known."""
    expected = f"sha256:{corpus.hashes[name]}" if name in corpus.hashes else ""
    advice = f"put the file there, or name the folder that holds the folder {corpus.folder} in REPSIM_DATA"
    return fetch_file(data_root() / corpus.folder / Path(name).name, corpus.home + name, expected, advice)


TOY_SENTENCES = {"train": 400, "val": 60, "test": 120}


def _toy(split: str) -> Split:
    """Make sentences of a small language and their translations: each word has its own, and the order is reversed."""
    rng = np.random.default_rng([20190515, *split.encode()])
    syllables = ["ba", "de", "gi", "ko", "lu", "ma", "ne", "ri", "so", "tu"]
    words = [first + second for first in syllables for second in syllables]
    chosen = [rng.choice(len(words), rng.integers(3, 9)) for _ in range(TOY_SENTENCES[split])]
    source = tuple(" ".join(words[i] for i in sentence) for sentence in chosen)
    target = tuple(" ".join(words[i][::-1] for i in reversed(sentence)) for sentence in chosen)
    return Split(source, target, (("toy source", "toy target", len(source)),))
