"""The paper's Transformers: text, network, training and measurements, on a made-up language."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

import repsim
from repsim.lab import weights as artefacts
from repsim.lab.errors import DataError, ProfileError, TrainingError
from repsim.lab.findings import transformers as findings
from repsim.lab.profiles import load_profile, parse_profile
from repsim.lab.transformers import corpus, text
from repsim.lab.transformers.network import EPSILON, TAPS, build, positions, tapped
from repsim.lab.transformers.settings import Network, Recipe
from repsim.lab.transformers.text import Subwords, tokens, vocabulary_hash

CACHED = (corpus.load_split, corpus.fingerprint, corpus.subwords_of, text.vocabulary, tokens)
VOCABULARY = 20
SMALL = Network(width=8, hidden=12, heads=2, encoder_layers=2, decoder_layers=1, dropout=0.0, positions=9)


@pytest.fixture(scope="module")
def small():
    import keras

    keras.utils.set_random_seed(0)
    model = build(SMALL, VOCABULARY)
    rng = np.random.default_rng(0)
    for weight in model.weights:  # so that scales and biases are seen, too
        weight.assign(np.asarray(weight) + 0.1 * rng.normal(size=weight.shape))
    return model


def standardised(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + EPSILON)


def encoder_by_hand(weights, shape, tokens):
    """The taps of one unpadded sentence, in float64, token by token and head by head."""
    width, size = shape.width, shape.width // shape.heads
    wavelengths = 10_000.0 ** (np.arange(width // 2) / (width // 2 - 1))
    x = np.stack([weights["tokens/embeddings"][t] for t in tokens]) * np.sqrt(width)
    for place in range(len(tokens)):
        x[place] += np.concatenate([np.sin(place / wavelengths), np.cos(place / wavelengths)])
    taps = []
    for number in range(1, 2 * shape.encoder_layers + 1):
        name = f"encoder_{number}"
        norm = standardised(x)
        scale = norm * weights[f"{name}_scale/gamma"] + weights[f"{name}_scale/beta"]
        if number % 2:
            q, k, v = (weights[f"{name}_sublayer/{part}/kernel"] for part in ("query", "key", "value"))
            made = np.zeros_like(x)
            for head in range(shape.heads):
                scores = (scale @ q[:, head]) @ (scale @ k[:, head]).T / np.sqrt(size)
                weight = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
                made += weight @ (scale @ v[:, head]) @ weights[f"{name}_sublayer/attention_output/kernel"][head]
        else:
            inside = np.maximum(scale @ weights[f"{name}_hidden/kernel"] + weights[f"{name}_hidden/bias"], 0)
            made = inside @ weights[f"{name}_sublayer/kernel"] + weights[f"{name}_sublayer/bias"]
        x = x + made
        taps += [norm, scale, made, x]
    return taps


def test_the_taps_are_those_computed_by_hand_and_padding_changes_none(small):
    weights = {weight.path: np.asarray(weight, np.float64) for weight in small.weights}
    found = tapped(small)(np.array([[5, 7, 3, 1, 0, 0], [9, 4, 1, 0, 0, 0]], np.int32), training=False)
    for row, sentence in enumerate(([5, 7, 3, 1], [9, 4, 1])):
        by_hand = encoder_by_hand(weights, SMALL, sentence)
        assert len(found) == len(by_hand) == 4 * 2 * SMALL.encoder_layers
        for name, expected in zip(found, by_hand, strict=True):
            np.testing.assert_allclose(np.asarray(found[name])[row, : len(sentence)], expected, rtol=2e-4, atol=2e-5)
    assert list(found)[:4] == [f"encoder_1_{tap}" for tap in TAPS]


def test_a_place_of_the_target_sees_only_those_before_it_and_padding_of_the_source_is_not_seen(small):
    source, target = np.array([[5, 7, 3, 1]], np.int32), np.array([[0, 4, 6, 8]], np.int32)
    logits = np.asarray(small([source, target], training=False))
    later = np.asarray(small([np.pad(source, [(0, 0), (0, 2)]), target * [[1, 1, 1, 2]]], training=False))
    np.testing.assert_allclose(later[:, :3], logits[:, :3], rtol=1e-4, atol=1e-5)
    assert np.abs(later[:, 3] - logits[:, 3]).max() > 0.01


def test_the_papers_network_has_the_published_size():
    # Vaswani and others, Table 3: 65 million parameters of the base network, for a vocabulary of about 37,000
    base = Network(512, 2048, heads=8, encoder_layers=6, decoder_layers=6, dropout=0.1, positions=256)
    assert build(base, 37_000).count_params() == pytest.approx(65e6, rel=0.04)


def test_positions_are_sines_then_cosines_from_wavelength_two_pi_to_ten_thousand_times_that():
    signal = positions(3, 6)
    assert signal[2].tolist() == pytest.approx(
        [np.sin(2), np.sin(0.02), np.sin(0.0002), np.cos(2), np.cos(0.02), np.cos(0.0002)]
    )


ONE_STEP = """
import os, sys, numpy as np
os.environ["KERAS_BACKEND"], out = sys.argv[1], sys.argv[2]
import keras
from repsim.lab.transformers.network import build
from repsim.lab.transformers.training import compiled
from repsim.lab.transformers.settings import Network, Recipe, Transformers
recipe = Recipe(epochs=1, tokens=32, buckets=(8,), rate=1.0, warmup=2, fall=0.25, smoothing=0.1)
network = Network(width=8, hidden=12, heads=2, encoder_layers=2, decoder_layers=1, dropout=0.0, positions=9)
indexes = ("cka_linear",), ()
settings = Transformers("toy", 20, "", network, recipe, (0, 1), (1,), (0, 1), ("val",), "val", *indexes, 0, 0, 1, 1)
model = compiled(build(network, 20), settings, 4)
rng = np.random.default_rng(0)
for weight in model.trainable_weights:
    weight.assign(rng.normal(size=weight.shape) / 3)
source = rng.integers(3, 20, (4, 6)).astype("int32")
source[0, 4:] = 0
target = rng.integers(3, 20, (4, 5)).astype("int32")
target[1, 3:] = 0
shifted = np.pad(target, [(0, 0), (1, 0)])[:, :-1]
losses = [float(model.train_on_batch([source, shifted], target)) for _ in range(2)]
np.savez(out, losses=losses, **{w.path.replace("/", "."): np.asarray(w) for w in model.trainable_weights})
"""


@pytest.fixture(scope="module")
def one_step(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp("step"), {}
    for backend in ("tensorflow", "jax"):
        done = subprocess.run(
            [sys.executable, "-c", ONE_STEP, backend, str(folder / f"{backend}.npz")],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        with np.load(folder / f"{backend}.npz") as file:
            found[backend] = dict(file)
    return found


def test_two_steps_are_the_same_on_tensorflow_and_jax(one_step):
    first, second = one_step.values()
    for name, values in first.items():
        np.testing.assert_allclose(values, second[name], rtol=1e-3, atol=2e-5, err_msg=name)
    assert first["losses"][1] < first["losses"][0]


def test_the_rate_rises_falls_as_the_inverse_root_and_ends_at_zero():
    from repsim.lab.transformers.training import Rate

    rate = Rate(Recipe(1, 1, (1,), 2.0, 100, 0.25, 0.1), 64, 1000)
    assert float(rate(49)) == pytest.approx(2 / 8 * 50 / 1000)  # step 50 of 100 of the warm-up: 50 * 100^-1.5
    assert float(rate(399)) == pytest.approx(2 / 8 / 20)
    assert float(rate(875)) == pytest.approx(2 / 8 * 876**-0.5 * 125 / 250)
    assert float(rate(1000)) == 0


def test_the_smoothed_loss_is_the_cross_entropy_with_smoothed_targets():
    from repsim.lab.transformers.training import cross_entropy

    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(2, 3, 5)).astype(np.float32), np.array([[1, 4, 0], [2, 0, 0]])
    log = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = [
        -sum((0.9 if token == own else 0.1 / 4) * log[row, place, token] for token in range(5))
        for row, place, own in ((0, 0, 1), (0, 1, 4), (1, 0, 2))
    ]
    assert float(cross_entropy(0.1)(target, logits)) == pytest.approx(np.mean(expected), rel=1e-5)
    plain = [-log[0, 0, 1], -log[0, 1, 4], -log[1, 0, 2]]
    assert float(cross_entropy(0.0)(target, logits)) == pytest.approx(np.mean(plain), rel=1e-5)


# ---------------------------------------------------------------- text


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A corpus of two files that a test writes."""

    def write(source: bytes, target: bytes, **more):
        (tmp_path / "data" / "mine").mkdir(parents=True)
        for name, content in (("a.en.gz", gzip.compress(source)), ("a.de", target)):
            (tmp_path / "data" / "mine" / name).write_bytes(content)
        parts = {"train": (corpus.Part("a.en.gz", "a.de"),)}
        monkeypatch.setitem(corpus.CORPORA, "mine", corpus.Corpus("mine", "https://nowhere.invalid/", parts, **more))
        monkeypatch.setenv("REPSIM_DATA", str(tmp_path / "data"))
        for function in (corpus.load_split, corpus.fingerprint):
            function.cache_clear()
        return lambda: corpus.load_split("mine", "train")

    return write


def test_a_corpus_is_read_line_by_line(written):
    pairs = written("one two\n drei\u2028vier \n".encode(), b"eins zwei\nthree four\n")()
    assert pairs.source == ("one two", "drei\u2028vier")
    assert pairs.target == ("eins zwei", "three four")
    assert pairs.where(1, 1).endswith("a.de, line 2")


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (b"one\ntw\xff\n", b"eins\nzwei\n", r"a\.en\.gz, line 2: expected UTF-8, found the byte 0xff"),
        (b"one\n", b"eins\nzwei\n", r"a\.de, line 2: expected no further line, .*\(1 lines\).*\(2 lines\)"),
        (b"one\ntwo\n", b"eins\n", r"a\.en\.gz, line 2: expected no further line"),
        (b"", b"", r"a\.en\.gz, line 1: expected a sentence on each line, found an empty file"),
        (b"\n \n", b"\n\n", r"a\.en\.gz, line 1: expected a sentence on each line, found an empty file"),
        (b"one\ntwo\rthree\n", b"eins\nzwei\n", r"a\.en\.gz, line 2: expected lines that end in \\n, found \\r"),
    ],
)
def test_text_that_is_none_is_refused_by_file_and_line(written, source, target, message):
    with pytest.raises(DataError, match=message):
        written(source, target)()


def test_an_altered_file_and_one_that_cannot_be_fetched_are_refused(written, tmp_path):
    read = written(b"one\n", b"eins\n", hashes={"a.de": "0" * 64})
    with pytest.raises(DataError, match=r"a\.de was altered: expected SHA-256 0000"):
        read()
    (tmp_path / "data" / "mine" / "a.en.gz").unlink()
    with pytest.raises(DataError, match=r"a\.en\.gz is missing and could not be fetched from https://nowhere"):
        read()


def test_a_mark_of_byte_order_is_no_text_and_lines_may_end_as_in_windows(written):
    split = written(b"\xef\xbb\xbfone\r\ntwo\r\n", b"eins\nzwei\n")()
    assert split.source == ("one", "two")


def archive_of(content, name="in/one.en"):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive_of(b"one\n" * 5000)[:60], r"a\.tgz is damaged"),
        (b"<html>not found</html>", r"a\.tgz is damaged"),
        (archive_of(b"one\n", "in/other.en"), r"a\.tgz, in/one\.en: expected a file, found none"),
    ],
    ids=["cut", "a page", "without the text"],  # an archive holds the time
)
def test_a_damaged_archive_is_refused_by_name(tmp_path, monkeypatch, content, message):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.tgz").write_bytes(content)
    monkeypatch.setenv("REPSIM_DATA", str(tmp_path))
    mine = corpus.Corpus("mine", "https://nowhere/", {"train": (corpus.Part("in/one.en", "in/one.de", "a.tgz"),)})
    monkeypatch.setitem(corpus.CORPORA, "mine", mine)
    with pytest.raises(DataError, match=message):
        corpus.load_split.__wrapped__("mine", "train")


def test_a_damaged_compressed_file_is_refused_by_name(written, tmp_path):
    read = written(b"one two three four\n", b"eins\n")
    path = tmp_path / "data" / "mine" / "a.en.gz"
    content = bytearray(path.read_bytes())
    content[12] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.en\.gz is damaged"):
        read()


def test_unknown_corpora_and_splits_are_refused_by_name():
    with pytest.raises(DataError, match="unknown corpus 'mine30k'; known are: multi30k, toy, wmt32k"):
        corpus.load_split("mine30k", "train")
    with pytest.raises(DataError, match="unknown split of toy 'dev'"):
        corpus.load_split("toy", "dev")


def test_a_vocabulary_of_another_hash_or_too_many_pieces_is_refused():

    with pytest.raises(DataError, match="the vocabulary of toy is another: expected pieces of SHA-256 abc, found 93b0"):
        text.vocabulary("toy", 120, "abc")
    with pytest.raises(DataError, match="no vocabulary of 9000 pieces"):
        text.vocabulary("toy", 9000, "")


def test_a_sentence_longer_than_the_positions_is_said_and_not_cut():

    smoke = load_profile("smoke").transformers
    recipe, network = replace(smoke.recipe, buckets=(8,)), replace(smoke.network, positions=10)
    with pytest.raises(DataError, match=r"toy source, line \d+: expected at most 10 tokens, found \d+"):
        tokens(replace(smoke, recipe=recipe, network=network), "val")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("seeds: [0, 1, 2]\n  snapshots: [0, 2]\n  followed: [0, 2]", None),
        ("seeds: [0]\n  snapshots: [0, 2]\n  followed: [0, 1]", "seeds must be two or more"),
        ("seeds: [0, 1]\n  snapshots: [0, 2]\n  followed: [0]", "followed must be two or more"),
        ("seeds: [0, 1]\n  snapshots: [0, 1]\n  followed: [0, 1]", "snapshots must end with the 2 epochs"),
        (
            "seeds: [0, 1]\n  snapshots: [0, 2]\n  followed: [0, 2]",
            "followed must be two or more different ones of the seeds",
        ),
    ],
)
def test_a_profile_whose_transformers_cannot_be_trained_is_refused(change, message):

    text = (files("repsim.lab") / "profiles" / "smoke.yml").read_text(encoding="utf-8")
    changed = text.replace("seeds: [0, 1]\n  snapshots: [0, 2]\n  followed: [0, 1]", change)
    if message is None:
        assert parse_profile("smoke", changed).transformers.seeds == (0, 1, 2)
        return
    with pytest.raises(ProfileError, match=message):
        parse_profile("smoke", changed)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("heads: 2", "heads: 0", "heads: Input should be greater than 0"),
        ("dropout: 0.1", "dropout: 1.5", "dropout: Input should be less than 1"),
        ("warmup: 10", "warmup: 0", "warmup: Input should be greater than 0"),
        ("corpus: toy", "corpus: toys", "unknown corpus 'toys'; known are: multi30k, toy, wmt32k"),
        ("splits: [val, test]", "splits: [train]", r"splits must be of \['val', 'test'\], found \['train'\]"),
        ("scored: val", "scored: vale", r"scored must be of \['val', 'test'\], found \['vale'\]"),
        ("regression, cka_linear, cka_rbf_0.2", "regression, cka_liner, cka_rbf_0.2", "unknown index 'cka_liner'"),
    ],
)
def test_what_a_profile_says_of_transformers_is_checked(old, new, message):
    whole = (files("repsim.lab") / "profiles" / "smoke.yml").read_text(encoding="utf-8")
    before, text = whole.split("\ntransformers:\n")
    assert text.count(old) == 1
    with pytest.raises(ProfileError, match=message):
        parse_profile("smoke", f"{before}\ntransformers:\n{text.replace(old, new)}")


def test_another_vocabulary_makes_another_network():
    smoke = replace(load_profile("smoke").transformers, vocabulary="")
    several = [artefacts.transformer_inputs(replace(smoke, pieces=pieces), 0, 2) for pieces in (120, 90)]
    assert several[0] != several[1]


def test_tensor2tensors_pieces_are_the_longest_that_fit():

    pieces = [
        "<pad>_",
        "<EOS>_",
        "Hel",
        "lo_",
        "Hello_",
        ", _",
        "world_",
        "w",
        "or",
        "ld_",
        "_",
        "\\",
        "u",
        "3",
        "8",
        ";",
        "a",
    ]
    words = Subwords("pieces", "".join(f"'{piece}'\n" for piece in pieces).encode())
    assert words.get_piece_size() == len(pieces)
    assert len(vocabulary_hash(words)) == 64
    cut = words.encode(["Hello, world", "Hello Hello", "a_&"])
    assert [[words.id_to_piece(number) for number in one] for one in cut] == [
        ["Hello_", ", _", "world_"],
        ["Hello_", "Hello_"],  # a single space between words is left out
        ["a", "_", "\\", "u", "\\", "3", "8", ";", "_"],  # "_" is escaped, and "&", which no piece has
    ]
    assert [words.decode(one) for one in cut] == ["Hello, world", "Hello Hello", "a_&"]
    letters = "".join(f"'{piece}'\n" for piece in ("<pad>_", "<EOS>_", "\\9", "9", ";", "\\65"))
    escaped = Subwords("pieces", letters.encode())
    assert escaped.decode([2, *[3] * 20, 4, 5, 4]) == "\u3013A", "no character has so many digits"
    with pytest.raises(DataError, match="pieces, line 2: expected a piece in quotes, found EOS"):
        Subwords("pieces", b"'<pad>_'\nEOS\n")
    assert Subwords("pieces", "'<pad>_'\n'<EOS>_'\n'\u2028'\n".encode()).pieces[2] == "\u2028", "is no end of a line"
    with pytest.raises(DataError, match="pieces, line 2: expected UTF-8, found the byte 0xff"):
        Subwords("pieces", b"'<pad>_'\n\xff\n")


def test_the_papers_profile_reads_archives_and_checks_the_number_of_tokens(tmp_path, monkeypatch):

    folder = tmp_path / "data" / "wmt32k"
    folder.mkdir(parents=True)
    for split in ("train", "newstest2013"):
        for part in corpus.CORPORA["wmt32k"].splits[split]:
            with tarfile.open(folder / part.archive.rsplit("/", 1)[1], "w:gz") as archive:
                for name, line in ((part.source, b"a a\n"), (part.target, b"aa\n")):
                    entry = tarfile.TarInfo(name)
                    entry.size = len(line)
                    archive.addfile(entry, io.BytesIO(line))
    pieces = ["<pad>_", "<EOS>_", "a_", "a", "_"]
    name = corpus.CORPORA["wmt32k"].subwords.rsplit("/", 1)[1]
    (folder / name).write_bytes("".join(f"'{piece}'\n" for piece in pieces).encode())
    monkeypatch.setenv("REPSIM_DATA", str(tmp_path / "data"))
    for function in CACHED:
        function.cache_clear()
    assert load_profile("paper").transformers.paper_size
    assert not load_profile("laptop").transformers.paper_size
    paper = replace(load_profile("paper").transformers, pieces=len(pieces))
    assert [one.tolist() for one in tokens(paper, "train").source] == [[2, 2, 1]] * 3
    with pytest.raises(DataError, match="expected 75804 tokens in all, found 2"):
        tokens(paper, "newstest2013")
    for function in CACHED:
        function.cache_clear()


def test_batches_hold_each_pair_once_within_their_tokens():
    rng = np.random.default_rng(0)
    source = [np.full(length, number + 1) for number, length in enumerate(rng.integers(1, 12, 50))]
    target = [np.full(length, number + 1) for number, length in enumerate(rng.integers(1, 12, 50))]
    seen = []
    for one, other in text.batches(source, target, 40, (4, 8), np.random.default_rng(1)):
        assert one.shape == other.shape == (40 // one.shape[1], one.shape[1])
        assert one.shape[1] in (4, 8)
        assert (one[:, 0] == other[:, 0]).all()
        seen += [number for number in one[:, 0] if number]
    kept = [number + 1 for number in range(50) if max(len(source[number]), len(target[number])) <= 8]
    assert sorted(seen) == kept
    assert text.too_long(source, target, (4, 8)) == 50 - len(kept) > 0


# ---------------------------------------------------------------- training and measuring


@pytest.fixture
def tiny():
    smoke = load_profile("smoke").transformers
    network = replace(smoke.network, width=8, hidden=8, encoder_layers=1)
    return replace(smoke, network=network, recipe=replace(smoke.recipe, tokens=2048, buckets=(32,)))


def test_a_resumed_training_ends_with_bitwise_the_same_weights_although_it_drops_units(tiny, tmp_path):
    from repsim.lab.store import Store
    from repsim.lab.transformers.training import train_transformer

    assert tiny.network.dropout > 0
    whole = train_transformer(Store(tmp_path / "whole"), tiny, 1)
    parts = train_transformer(Store(tmp_path / "parts"), tiny, 1, epoch=1)
    resumed = train_transformer(Store(tmp_path / "parts"), tiny, 1)
    first_part = parts.record["seconds"]
    assert resumed.record["seconds"] > first_part / 2 > 0, "what was done before is counted, translations only once"
    assert whole.record["history"] == resumed.record["history"]
    assert len(whole.record["history"]["held_out_loss"]) == 2
    assert 0 <= whole.record["bleu"] <= 100
    first, second = whole.arrays(), resumed.arrays()
    assert first.keys() == second.keys()
    assert all((first[name] == second[name]).all() for name in first)


def test_a_network_is_scored_as_it_is_kept_and_a_followed_one_is_kept_on_the_way_too(tiny, tmp_path):
    from repsim.lab.store import Store
    from repsim.lab.transformers.training import bleu, load_transformer, train_transformer

    settings = replace(tiny, seeds=(0, 1, 2), snapshots=(0, 1, 2), followed=(0, 2), committed=True)
    store = Store(tmp_path)
    followed, other = (train_transformer(store, settings, seed) for seed in (0, 1))
    names = sorted(path.name.rpartition("-")[0] for path in (tmp_path / "networks").glob("*.json"))
    assert names == [f"transformer-toy-seed{one}" for one in ("0-epoch1", "0-epoch2", "1-epoch2")]
    assert {array.dtype for array in followed.arrays().values()} == {np.dtype(np.float16)}
    assert round(bleu(load_transformer(other), settings), 2) == other.record["bleu"]
    assert followed.made_again_by is None
    snapshot = train_transformer(store, settings, 0, epoch=1)
    assert snapshot.made_again_by.endswith("--seed 0 --epoch 1 --again")


def test_what_cannot_be_trained_is_refused(tiny, tmp_path):
    from repsim.lab.store import Store
    from repsim.lab.transformers.training import train_transformer

    for seed, epoch in ((7, 1), (0, 3), (0, -1)):
        with pytest.raises(TrainingError, match=f"seed {seed} after {epoch} epochs: expected one of the seeds"):
            train_transformer(Store(tmp_path), tiny, seed, epoch=epoch)
    longest = max(len(one) for one in tokens(tiny, "test").source)
    cramped = replace(
        tiny,
        network=replace(tiny.network, positions=longest - 1),
        recipe=replace(tiny.recipe, buckets=(8,)),
        splits=("test",),
        scored="test",
    )
    with pytest.raises(DataError, match=f"expected at most {longest - 1} tokens, found {longest}"):
        train_transformer(Store(tmp_path), cramped, 0)
    assert not list(tmp_path.rglob("*.npz")), "said before anything is trained"
    short = replace(tiny, recipe=replace(tiny.recipe, buckets=(2,)))
    with pytest.raises(TrainingError, match="all 400 pairs of sentences are longer than the buckets"):
        train_transformer(Store(tmp_path), short, 0)


def test_sentences_may_be_as_long_as_there_are_positions(tiny):
    from repsim.lab.transformers.measurement import represented
    from repsim.lab.transformers.training import initialised

    longest = max(len(one) for split in tiny.splits for one in tokens(tiny, split).source)
    assert longest % 8, "what is padded to a multiple of 8 would be longer"
    network = replace(tiny.network, positions=longest)
    some = replace(tiny, network=network, recipe=replace(tiny.recipe, buckets=(longest,)))
    assert len(represented(initialised(some, 0), some, "residual")) == 2


def test_examples_are_the_tokens_of_all_splits_in_order_without_ends(tiny):
    from repsim.lab.transformers.measurement import represented
    from repsim.lab.transformers.training import initialised

    model = initialised(tiny, 0)
    arrays = represented(model, tiny, "residual")
    sentences = [one for split in tiny.splits for one in tokens(tiny, split).source]
    assert [array.shape for array in arrays] == [(sum(len(one) - 1 for one in sentences), 8)] * 2
    start = sum(len(one) - 1 for one in sentences[:70])
    alone = tapped(model, ("residual",))(sentences[70][None], training=False)["encoder_2_residual"]
    rows = arrays[1][start : start + len(sentences[70]) - 1]
    np.testing.assert_allclose(rows, np.asarray(alone)[0, :-1], rtol=1e-4, atol=1e-5)


def test_normalised_tokens_have_one_dimension_less_and_are_those_of_the_network(tiny):
    from repsim.lab.transformers.measurement import represented
    from repsim.lab.transformers.training import initialised

    model = initialised(tiny, 0)
    embeddings = model.get_layer("tokens")
    embeddings.set_weights([np.asarray(embeddings.get_weights()[0]) + 30])  # a mean that float32 hardly takes away
    for weight in model.weights:
        if weight.path.endswith(("gamma", "beta")):
            weight.assign(np.random.default_rng(0).uniform(0.5, 2, weight.shape))
    first = tokens(tiny, tiny.splits[0]).source[0]
    for tap in ("norm", "scale"):
        arrays = represented(model, tiny, tap)
        assert [repsim.orthonormal_basis(array).shape[1] for array in arrays] == [7, 7]
        alone = tapped(model, (tap,))(first[None], training=False)[f"encoder_1_{tap}"]
        np.testing.assert_allclose(arrays[0][: len(first) - 1], np.asarray(alone)[0, :-1], atol=1e-4)


@pytest.mark.filterwarnings("ignore::repsim.errors.BiasWarning")
def test_fewer_rows_give_the_same_indexes_but_those_with_an_rbf_kernel():
    from repsim.lab.transformers.measurement import condensed

    rng = np.random.default_rng(0)
    common = rng.normal(size=(900, 6))
    arrays = [common @ rng.normal(size=(6, p)) + rng.normal(size=(900, p)) + 3 for p in (9, 12, 12)]
    arrays[1] -= arrays[1].mean(axis=1, keepdims=True)  # normalised tokens, whose units add up to 0
    arrays = [array.astype(np.float32) for array in arrays]
    fewer = condensed(arrays)
    assert [array.shape for array in fewer] == [(34, 9), (34, 12), (34, 12)]
    indexes = [one for one in load_profile("laptop").transformers.indexes if "rbf" not in one]
    expected, found = (repsim.pairwise(some, index=indexes) for some in (arrays, fewer))
    for index in indexes:
        np.testing.assert_allclose(found[index], expected[index], rtol=0, atol=5e-7, err_msg=index)
    assert condensed([array[:30] for array in arrays])[0].shape == (30, 9)


# ---------------------------------------------------------------- findings


def checkered(size, smooth, step):
    i, j = np.indices((size, size))
    return smooth * -np.abs(i - j) + step * ((i - j) % 2 == 0)


def test_a_checkerboard_has_fraction_one_and_a_smooth_map_at_most_a_half():

    assert findings.checkerboard(checkered(12, 0.0, 0.1)) == 1.0
    assert findings.checkerboard(checkered(12, 1.0, 0.0)) <= 0.5
    assert findings.checkerboard(-checkered(12, 0.0, 0.1)) == 0.0


@pytest.fixture
def tables():

    rng = np.random.default_rng(0)
    found = {f"{tap}/{index}": rng.random((4, 4, 12, 12)) for tap in TAPS for index in findings.TABLE_F1}
    found["residual/cka_rbf_0.4"] += 2 * np.eye(12)
    found["norm/cca_r2"], found["norm/cca_mean"] = found["scale/cca_r2"], found["scale/cca_mean"]
    return found


def test_the_claims_about_table_f1_follow_from_the_tables(tables):

    values = findings.table_f1_claims(tables, paper_size=False)
    cells = {(row["index"], row["tap"]): row["accuracy"] for row in findings.table_f1(tables)}
    assert len(cells) == 40
    assert cells["cka_rbf_0.4", "residual"] == 100
    assert values["X1"]["lowest"] == min(cells.values())
    assert values["X2"]["largest_difference"] == 0
    assert values["X9"]["margin"] == 100 - max(v for (i, t), v in cells.items() if t == "residual" and v < 100)
    assert 0 <= values["X6"]["p"] <= 1
    tables["sublayer/cka_linear"] = np.tile(checkered(12, 0.0, 0.1), (4, 4, 1, 1))
    assert findings.untrained_transformers(tables, tables)["X13"] == {
        "difference": 0.0,
        "trained": 1.0,
        "untrained": 1.0,
    }
    assert 0 <= findings.figure_f1(tables)["X5"]["most"] <= 1
    without = [{name: np.delete(np.delete(one, i, 0), i, 1) for name, one in tables.items()} for i in range(4)]
    several = [findings.table_f1_claims(one, paper_size=False)["X11"]["margin"] for one in without]
    expected = repsim.jackknife_se(several)
    assert findings.table_f1_claims(tables, paper_size=False)["X11"]["standard_error"] == pytest.approx(expected)


def test_two_networks_have_no_jackknife_error(tables):

    two = {name: table[:2, :2] for name, table in tables.items()}
    assert {row["standard_error"] for row in findings.table_f1(two)} == {None}
    claims = findings.table_f1_claims(two, paper_size=False)
    assert np.isnan(claims["X6"]["p"])
    assert "standard_error" not in claims["X8"]


def test_where_best_matches_lie(tables):
    tables["residual/linear_regression"] = np.tile(np.arange(12.0), (4, 4, 12, 1))  # the last is everybody's best match
    tables["sublayer/cka_linear"] = np.tile(np.roll(np.eye(12), 2, axis=1), (4, 4, 1, 1))  # two sublayers too late
    rows = {(row["index"], row["tap"]): row for row in findings.misplaced(tables)}
    assert len(rows) == 40
    shifted = rows["cka_linear", "sublayer"]
    assert (shifted["apart"], shifted["late"]) == pytest.approx(((10 * 2 + 2 * 10) / 12, 0))
    assert shifted["same_kind"] == 1
    last = rows["linear_regression", "residual"]
    assert last["apart"] == last["late"] == 5.5
    assert last["last"] == 1
    assert rows["cka_rbf_0.4", "residual"]["same_kind"] is None


def test_what_the_power_of_scales_changes():
    exact = np.tile(np.eye(12), (3, 3, 1, 1))
    rows = findings.with_scales({"0.0": exact, "2.0": np.roll(exact, 1, axis=-1), "spread": np.ones((3, 12))})
    assert [(row["power"], row["accuracy"]) for row in rows] == [(0.0, 100.0), (2.0, 0.0)]
