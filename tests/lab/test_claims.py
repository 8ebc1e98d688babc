"""Claims: what the file says, how predicates decide, what a measurement becomes."""

import contextlib
import hashlib
import json
import math
import re

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from repsim.lab import claim_tables, claims, wording
from repsim.lab.claim_tables import claims_page, claims_table, counted_as, first_page, label, scorecard
from repsim.lab.errors import ProfileError
from repsim.lab.execution import contents, notebooks
from repsim.lab.predicates import ClaimError, Predicate
from repsim.lab.repository import REPOSITORY
from repsim.lab.store import sealed

# Day -> SHA-256 of what the claims of that day say and ask.
FIXED = {
    "2026-11-24": "8e0581bf64e6b8d72abcac20627fd2317704e6f73f4a943230fcf7d629464437",
    "2026-11-28": "04d394f8dfab135f1c968fe9f70c42d2324535771560bd16e49acb0cd115c865",
}
FILE = REPOSITORY / "book" / "claims.yml"
CLAIM = {
    "id": "X1",
    "section": "S",
    "statement": "A finding.",
    "place": "Table 1",
    "predicate": {"kind": "at_least", "of": "a", "value": 9},
    "partly": {"kind": "at_least", "of": "a", "value": 8},
    "tolerance": "Because.",
    "sentence": "It is {a:.1f}.",
    "fixed": "2026-11-24",
    "notebook": "01-train-networks",
}


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(tmp_path))
    return tmp_path


def one(**changes):
    """The text of a file with one claim, some of its entries changed or, where None, left out."""
    entry = {key: value for key, value in {**CLAIM, **changes}.items() if value is not None}
    return yaml.safe_dump({"claims": [entry], "names": {"a": "the a", "networks": "the number of networks"}})


class Readable(dict):
    """Names of quantities as they are, without underscores."""

    def __missing__(self, name):
        return name.replace("_", " ")


NAMES = Readable()


def claim(**changes):
    return claims.parse_claims(one(**changes))["X1"]


def judged(found, **changes):
    return claims.judge(claim(**changes), claims.Measurement("X1", found))


# ------------------------------------------------------------------------------------------------------- the file


def early():
    """The claims that were fixed on the days whose claims are all there."""
    return {name: entry for name, entry in claims.load_claims().items() if str(entry.fixed) in FIXED}


@pytest.mark.parametrize("day", FIXED)
def test_claims_stay_as_they_were_fixed_before_anything_was_measured(day):
    """A claim that is added has a later day; of these none is added, taken out or changed in what it says and asks."""
    decides = {"id", "statement", "paper", "predicate", "partly", "needs", "ours"}
    fixed = [entry.model_dump(include=decides) for entry in early().values() if str(entry.fixed) == day]
    text = json.dumps(sorted(fixed, key=lambda entry: entry["id"]), sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == FIXED[day]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("A1", "accuracy within 0.5 of 89.4"),
        ("F1", "r2 ≥ 0.5, and r2 shuffled < 0.01"),
        ("F3a", "accuracy 1x < accuracy 2x, and accuracy 2x > accuracy 4x > accuracy 8x"),
        ("F4f", "lead > 0"),
        ("F6d", "similarity ≥ 0.95"),
        ("F.3", "largest svcca < 0.5 × cka linear"),
        ("F.6b", "lowest layer is 8"),
        ("F7a", "difference ≤ 0.1"),
        ("F8b", "dimension between 8 and 13"),
        ("S8", "accuracy within 5 or 2 × standard error, whichever is more, of 99.3"),
        ("S14", "linear regression > hsic linear > largest cca kind"),
        ("T1", "largest difference < 1e-08"),
        ("X15", "Reported, without a threshold"),
    ],
)
def test_rules_in_words(name, rule):
    entry = claims.find_claim(name)
    assert entry.predicate.describe(NAMES, entry.paper) == rule


def test_every_claim_names_the_notebook_that_measures_it(monkeypatch):
    found = claims.load_claims().values()
    for entry in (one for one in found if one.notebook):
        source = (REPOSITORY / "notebooks" / f"{entry.notebook}.ipynb").read_text(encoding="utf-8")
        assert f'figures.conclude(profile, \\"{entry.notebook}\\", ' in source, entry.id
    monkeypatch.setenv("REPSIM_RESULTS", str(REPOSITORY / "results"))
    published = notebooks(contents(published=True))
    measuring = {f"notebooks/{entry.notebook}.ipynb" for entry in found if claims.measurement("laptop", entry.id)}
    assert measuring <= set(published)


def test_no_verdict_is_written_by_hand():
    text = FILE.read_text(encoding="utf-8")
    entries = yaml.safe_load(text)["claims"]
    assert not any({"verdict", "value", "values", "measured"} & set(entry) for entry in entries)
    with pytest.raises(ClaimError, match="verdict: Extra inputs are not permitted"):
        claims.parse_claims(one(verdict="reproduced"))


# ------------------------------------------------------------------------------------------------------ predicates

CASES = [
    ({"kind": "at_least", "of": "a", "value": 9}, {"a": 9}, {"a": 8.999}),
    ({"kind": "at_most", "of": "a", "value": 5}, {"a": 5}, {"a": 5.001}),
    ({"kind": "above", "of": "a", "value": 0}, {"a": 1e-9}, {"a": 0}),
    ({"kind": "below", "of": "a", "value": 1e-8}, {"a": 9e-9}, {"a": 1e-8}),
    ({"kind": "between", "of": "a", "low": 8, "high": 13}, {"a": 13}, {"a": 14}),
    ({"kind": "between", "of": "a", "low": 8, "high": 13}, {"a": 8}, {"a": 7}),
    ({"kind": "within", "of": "a", "tolerance": 5}, {"a": 94.3}, {"a": 94.2}),
    (
        {"kind": "within", "of": "a", "tolerance": 5, "errors": 2, "error": "e"},
        {"a": 90, "e": 4.7},
        {"a": 90, "e": 4.6},
    ),
    ({"kind": "less_than", "of": "a", "than": "b", "times": 0.5}, {"a": 4, "b": 8.1}, {"a": 4, "b": 8}),
    ({"kind": "less_than", "of": "a", "than": "b"}, {"a": 4, "b": 5}, {"a": 5, "b": 5}),
    ({"kind": "descending", "of": ["a", "b", "c"]}, {"a": 3, "b": 2, "c": 1}, {"a": 3, "b": 2, "c": 2}),
    (
        {"kind": "all", "of": [{"kind": "above", "of": "a", "value": 0}, {"kind": "below", "of": "b", "value": 0}]},
        {"a": 1, "b": -1},
        {"a": 1, "b": 1},
    ),
    ({"kind": "at_least", "of": "a", "value": 9}, {"a": [9, 10]}, {"a": [9, 8]}),
]


PREDICATES = TypeAdapter(Predicate)


def test_every_kind_has_a_case():
    kinds = set(PREDICATES.json_schema()["discriminator"]["mapping"])
    assert {predicate["kind"] for predicate, _, _ in CASES} == kinds - {"reported"}, "which decides nothing"


@pytest.mark.parametrize(("entry", "yes", "no"), CASES)
def test_predicate_both_ways(entry, yes, no):
    predicate = PREDICATES.validate_python(entry)
    assert predicate.holds(yes, 99.3) is True
    assert predicate.holds(no, 99.3) is False
    assert all(margin.holds for margin in predicate.margins(yes, 99.3))
    assert not all(margin.holds for margin in predicate.margins(no, 99.3))
    assert predicate.describe(NAMES, 99.3)
    for name in predicate.quantities():
        for missing in (None, [], [1, None], math.nan, math.inf, "9", True):
            assert predicate.holds({**yes, name: missing}, 99.3) is None
            assert predicate.margins({**yes, name: missing}, 99.3) is None


def test_one_part_that_fails_decides_even_if_another_is_open():
    predicate = PREDICATES.validate_python(
        {"kind": "all", "of": [{"kind": "above", "of": "a", "value": 0}, {"kind": "above", "of": "b", "value": 0}]}
    )
    assert predicate.holds({"a": -1, "b": None}) is False
    assert predicate.holds({"a": 1, "b": None}) is None


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ([], "predicate: Input should be an object"),
        ({}, "Unable to extract tag"),
        ({"kind": ["all"]}, "does not match any of the expected tags"),
        ({"kind": "is"}, "expected tags: 'at_least', 'at_most', 'above', 'below', 'between',"),
        ({"kind": "above", "of": "a"}, r"predicate.above.value: Field required"),
        ({"kind": "above", "of": "a", "value": True}, "valid number"),
        ({"kind": "above", "of": "a", "value": "1"}, "valid number"),
        ({"kind": "above", "of": "a", "value": float("nan")}, "finite number"),
        ({"kind": "above", "of": "a", "value": 10**400}, "valid number|finite number"),
        ({"kind": "above", "of": "a b", "value": 1}, "predicate.above.of: String should match pattern"),
        ({"kind": "above", "of": "a", "value": 1, "low": 1}, "predicate.above.low: Extra inputs are not permitted"),
        ({"kind": "within", "of": "a", "tolerance": 1, "errors": 2}, "go together"),
        ({"kind": "all", "of": []}, "at least 1"),
        ({"kind": "descending", "of": ["a"]}, "at least 2"),
        ({"kind": "all", "of": [{"kind": "all", "of": []}]}, "does not match any of the expected tags"),
    ],
)
def test_what_is_not_a_predicate_is_refused(entry, message):
    with pytest.raises(ClaimError, match=message):
        claims.parse_claims(one(predicate=entry))


# -------------------------------------------------------------------------------------------------------- verdicts


def verdicts(profile):
    return {entry.claim.id: entry.verdict for entry in claims.judged(profile)}


def test_verdicts():
    assert judged({"a": 9}) == "reproduced"
    assert judged({"a": 8}) == "partly"
    assert judged({"a": 7}) == "not reproduced"
    assert judged({"a": 8}, partly=None) == "not reproduced"
    assert judged({"a": None}) == "not measured"
    assert claims.judge(claim(), None) == "not measured"


def test_a_claim_that_lacks_what_it_needs_is_not_judged():
    needs = {"networks": 10}
    assert judged({"a": 9, "networks": 10}, needs=needs) == "reproduced"
    assert judged({"a": 9, "networks": 9}, needs=needs) == "not judged"
    assert judged({"a": 9, "networks": None}, needs=needs) == "not judged"
    assert judged({"a": 9}, needs=needs) == "not judged"


@pytest.mark.parametrize("value", [9, 8, 7])
def test_what_no_network_decides_is_not_determined(value):
    pairs = {"layer_pairs": 81, "undetermined_pairs": 20}
    assert judged({"a": value, **pairs}) == "not determined"
    assert judged({"a": value, "tied_matches": 1}) == "not determined"
    assert judged({"a": None, **pairs}) == "not measured"
    decided = judged({"a": value})
    assert judged({"a": value, "layer_pairs": 81, "undetermined_pairs": 0, "tied_matches": 0}) == decided
    reason = claims.undetermined({"a": value, **pairs, "tied_matches": 2})
    assert reason.startswith("in 20 of 81 pairs of layers")
    assert reason.endswith("and 2 best matches are shared by several layers")


def test_a_number_without_a_threshold_is_reported():
    reported = {"kind": "reported", "of": ["a"]}
    assert judged({"a": [1, 2]}, predicate=reported) == "reported"
    assert judged({"a": None}, predicate=reported) == "not measured"


def distance(values, **changes):
    return wording.distance(claim(**changes), claims.Measurement("X1", values))


def within(tolerance, **more):
    return {"paper": 99.3, "partly": None, "predicate": {"kind": "within", "of": "a", "tolerance": tolerance, **more}}


NOT_JUDGED = "not judged; missing: the number of networks"
OF_FIVE = "from the paper’s value, where 5 are allowed"


@pytest.mark.parametrize(
    ("values", "changes", "said"),
    [
        ({"a": 9.89}, {}, "holds by 0.89, near"),
        ({"a": 9.91}, {}, "holds by 0.91"),
        ({"a": 8.11}, {}, "fails by 0.89, near"),
        ({"a": 8}, {}, "fails by 1"),
        ({"a": 9}, {}, "holds, just at its threshold, near"),
        ({"a": 9 - 1e-15}, {}, "holds, just at its threshold, near"),
        ({"a": 9}, {"predicate": {"kind": "above", "of": "a", "value": 9}}, "fails, just at its threshold, near"),
        ({"a": 0}, {"predicate": {"kind": "above", "of": "a", "value": 0}}, "fails, just at its threshold"),
        ({"a": 8, "lower_bound": 1}, {}, "fails, by how much is not known"),
        ({"a": 8.9, "lower_bound": 1}, {}, "fails, by how much is not known"),
        ({"a": [12, 9.1, 13]}, {}, "holds by 0.1, near"),
        ({"a": [12, 8.9, 5]}, {}, "fails by 4"),
        ({"a": 95.3}, within(5), f"4 {OF_FIVE}"),
        ({"a": 95.3, "standard_error": 1.01}, within(5), f"4 {OF_FIVE}, near"),
        ({"a": 95.3, "deviation": 3.1, "networks": 9}, within(5), f"4 {OF_FIVE}, near"),
        ({"a": 95.3, "deviation": 2.9, "networks": 9}, within(5), f"4 {OF_FIVE}"),
        ({"a": 98.3}, within(5) | {"unit": "points"}, f"1 point {OF_FIVE}"),
        ({"a": 93.3}, within(5) | {"unit": "points"}, f"6 points {OF_FIVE}"),
        ({"a": 8.5}, {"unit": "points"}, "fails by 0.5 points, near"),
        ({"a": 8}, {"unit": "points"}, "fails by 1 point"),
        ({"a": 8.9}, {"unit": "percentage points"}, "fails by 10 points, near"),
        ({"a": 2e-16}, {"predicate": {"kind": "below", "of": "a", "value": 1e-8}}, "the rule allows 1 × 10⁻⁸"),
        ({"a": 2e-8}, {"predicate": {"kind": "below", "of": "a", "value": 1e-8}}, "fails by 1 × 10⁻⁸"),
        ({"a": 5, "networks": 1}, {"needs": {"networks": 2}}, NOT_JUDGED),
    ],
)
def test_near_is_a_tenth_of_the_threshold_or_one_standard_error(values, changes, said):
    assert distance(values, **changes).replace("\N{NO-BREAK SPACE}", " ") == said


def test_the_best_there_can_be_is_not_near():
    best = {"kind": "at_least", "of": "a", "value": 9, "most": 9}
    assert distance({"a": 9}, predicate=best) == "holds, with the best value there can be"
    assert distance({"a": 8.5}, predicate=best) == "fails by 0.5, near"


def test_the_error_of_a_gain_says_nothing_of_a_distance_in_p():
    small_p = {"kind": "below", "of": "a", "value": 0.05}
    values = {"a": 0.58, "standard_error": 4.7}
    assert distance(values, predicate=small_p, unit="in p") == "fails by 0.53 in p"
    assert distance(values, predicate=small_p, unit="points") == "fails by 0.53 points, near"


def test_an_order_has_no_threshold_to_be_near_to():
    order = {"kind": "descending", "of": ["a", "networks"]}
    assert distance({"a": 2, "networks": 1.99}, predicate=order) == "holds by 0.01"


def test_record_and_verdict(results):
    assert set(verdicts("smoke").values()) == {"not measured"}
    values = {"diagonal_rows": np.int64(8), "rows": 9, "tau": np.float64(0.5), "list": np.arange(2), "none": None}
    path = claims.record("smoke", "F2a", values, n=400, spread=0.1, notebook="04-correspondence")
    assert path == results / "smoke" / "claims" / "F2a.json"
    saved = json.loads(path.read_text())
    assert saved["values"] == {"diagonal_rows": 8, "rows": 9, "tau": 0.5, "list": [0, 1], "none": None}
    assert verdicts("smoke")["F2a"] == "partly"
    assert claim_tables.summary("smoke").startswith("paper’s size: none; narrower here: 1 partly, ")
    before = path.stat().st_mtime_ns
    claims.record("smoke", "F2a", values, n=400, spread=0.1, notebook="04-correspondence")
    assert path.stat().st_mtime_ns == before
    rounded = {**values, "tau": 0.5 + 1e-15}
    claims.record("smoke", "F2a", rounded, n=400, spread=0.1, notebook="04-correspondence")
    assert path.stat().st_mtime_ns == before, "another machine's rounding is no other measurement"
    claims.record("smoke", "F2a", {**values, "tau": 0.5 + 1e-6}, n=400, spread=0.1, notebook="04-correspondence")
    assert path.stat().st_mtime_ns > before
    claims.record("smoke", "F.3", {"largest_svcca": 1, "cka_linear": float("nan"), "thresholds": 12})
    assert verdicts("smoke")["F.3"] == "not measured"


def test_what_cannot_be_recorded(results):
    with pytest.raises(ClaimError, match="unknown claim 'nothing'; known are: A1, A2, "):
        claims.record("smoke", "nothing", {})
    with pytest.raises(ClaimError, match="unknown claim"):
        claims.find_claim("../A1")
    with pytest.raises(ClaimError, match=r"claim F2a: \['diagonal_rows', 'rows'\] missing"):
        claims.record("smoke", "F2a", {"tau": 1})
    with pytest.raises(ClaimError, match="expected a number"):
        claims.record("smoke", "F2a", {"diagonal_rows": "nine", "rows": 9})
    with pytest.raises(ProfileError, match="known are"):
        claims.record("nowhere", "F2a", {"diagonal_rows": 9, "rows": 9})
    assert list(results.rglob("*.json")) == []


NO_MEASUREMENTS = [b"", b"{", b"[]", b'{"values": 1}', b"\xff\xfe", sealed({"values": {}, "claim": "A1"})]
NO_MEASUREMENTS += [sealed({"values": 1, "claim": "F2a", "profile": "smoke"})]


@pytest.mark.parametrize("content", NO_MEASUREMENTS)
def test_a_damaged_measurement_is_refused_by_name(results, content):
    path = results / "smoke" / "claims" / "F2a.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(ClaimError, match=r"F2a\.json"):
        verdicts("smoke")


# -------------------------------------------------------------------------------------------------- tables, README


def test_tables_have_every_claim_with_its_verdict(results):
    claims.record("smoke", "F2a", {"diagonal_rows": 8, "rows": 9}, n=400)
    pairs = {"layer_pairs": 81, "undetermined_pairs": 59, "standard_error": 0.0}
    claims.record("smoke", "S1", {"accuracy": 11.1, **pairs}, n=10_000)
    claims.record("smoke", "S8", {"accuracy": 98.02, "standard_error": 0.31}, n=20_000, spread=0.31)
    full = claims_page("smoke", lambda stem: f"<{stem}>", lambda commit: f"<{commit}>")
    table = claims_table(["smoke"], lambda profile, entry: [f"{profile} {entry.id}"])
    for entry in claims.load_claims().values():
        assert f"[{entry.id}](#{label(entry)})" in table
        assert f"({label(entry)})=" in full
    assert "### F2a: partly" in full
    said = (
        f"98.0 ± 0.3\N{NO-BREAK SPACE}% of the layers are identified, on 20,000 training images (1.3 points {OF_FIVE})."
    )
    assert f"Measured, in <04-correspondence>: {said}" in full
    plain = said.replace("\N{NO-BREAK SPACE}", " ")
    first = first_page("smoke")
    answers = first.replace("\N{NO-BREAK SPACE}", " ")
    assert (
        f"✓ reproduced ([S8](#claim-s8)): Linear CKA identifies 99.3 % of the layers. Here {plain.split(' (')[0]}."
        in answers
    )
    assert (
        "? not determined ([S1](#claim-s1)): CCA (mean correlation) identifies 1.4 % of the layers. Here 11.1"
        in answers
    )
    assert answers.index("[T1]") < answers.index("[S1]") or "not measured ([T1]" in answers
    assert "best match is the same layer for 8 of 9 layers (fails by 1 layer)" in first, "what failed, and why"
    assert "<figure" in first
    assert "| ○ not measured |" in scorecard("smoke")
    assert re.search(r"\| ○ not measured \| +\| \d+ \| 19 \| \d+ \|", scorecard("smoke")), "mathematics"


def test_the_score_counts_every_claim_once(results):
    found = claim_tables.counts("smoke")
    assert sum(sum(row.values()) for row in found.values()) == len(claims.load_claims())


def test_what_a_claim_counts_as():
    found = early()
    kinds = {
        profile: {name: counted_as(entry, profile) for name, entry in found.items()} for profile in ("laptop", "smoke")
    }
    papers, narrower, mathematics, ours = claim_tables.KINDS
    assert {name for name, one in kinds["laptop"].items() if one == mathematics} == {f"T{one}" for one in range(1, 20)}
    assert all((kinds["laptop"][name] == ours) == found[name].ours for name in found)
    plain = {"A2", "A3", "A4", "A5", "A6", "F3a", "F3b", "F3c", "F3d", "F5a", "F5b", "F5c", "F.4a", "F.7"}
    plain |= {"F.6a", "F.6b", "F.6c", *(f"F7{letter}" for letter in "abcde")}
    transformers = {*(f"X{number}" for number in range(1, 12)), "X12a", "X12b"}
    widest = {f"F6{letter}" for letter in "abcde"}
    assert {name for name, one in kinds["laptop"].items() if one == narrower} == plain | widest | transformers
    assert kinds["laptop"]["F5d"] == kinds["laptop"]["F4a"] == kinds["laptop"]["S8"] == papers
    assert kinds["smoke"]["S8"] == narrower, "its networks are others than the paper's"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{x:.2f}", "−0.50"),
        ("{x:.1%}", "−50.0\N{NO-BREAK SPACE}%"),
        ("{small:.0e}", "1\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10⁻¹²"),  # less is rounding, and differs by processor
        ("p {small:p}", "p < 0.001"),
        ("p {large:p}", "p = 0.253"),
        ("{large:.1f}{error:±.1f} %", "0.3 ± 2.8 %"),
        ("{large:.1f}{none:±.1f}{zero:±.1f} %", "0.3 %"),
        ("{list:.1f}", "0.1, 0.2 and 0.3"),
        ("{list:min .1f}", "0.1"),
        ("{pair:.0%}", "10\N{NO-BREAK SPACE}% and 20\N{NO-BREAK SPACE}%"),
        ("{one:#network}, {count:#network}", "one network, 10 networks"),
        ("{none:.1f}, {nothing:.1f}", "–, –"),
    ],
)
def test_values_in_words(template, words):
    values = {"x": -0.5, "small": 2e-15, "large": 0.2531, "error": 2.84, "none": None, "zero": 0.0, "one": 1}
    values |= {"count": 10, "list": [0.1, 0.2, 0.3], "pair": [0.1, 0.2]}
    assert wording.Words().vformat(template, (), values) == words


@pytest.mark.parametrize("name", sorted(claims.load_claims()))
def test_every_published_claim_in_words(monkeypatch, name):
    """No name of a variable, and no dash for a value that its sentence asks for and nothing measures."""
    monkeypatch.setenv("REPSIM_RESULTS", str(REPOSITORY / "results"))
    entry = claims.load_claims()[name]
    rules = [rule.describe(claims.load_claims().names, entry.paper) for rule in entry.rules]
    assert not any("_" in text for text in (*rules, entry.tolerance, entry.statement, entry.why or ""))
    if found := claims.measurement("laptop", name):
        said = claim_tables.headline(entry, found)
        assert not re.search(r"_|–|\bnan\b|\bNone\b|\d-|e-\d| -\d", said), said
        assert said.endswith(".")


def test_published_verdicts_rest_on_what_is_determined(monkeypatch):
    """The rule of 28 November 2026, on what is recorded: these and no others."""
    monkeypatch.setenv("REPSIM_RESULTS", str(REPOSITORY / "results"))
    found = verdicts("laptop")
    undetermined = {"F.3", "S12", "S14", *(f"S{one}" for one in range(1, 7)), *(f"F2{letter}" for letter in "cdef")}
    undetermined |= {f"F.8{letter}" for letter in "cdefgh"}
    assert {name for name in early() if found[name] == "not determined"} == undetermined


def test_readme(results, tmp_path):
    readme = tmp_path / "README.md"
    begin, end = claim_tables.BEGIN, claim_tables.END
    readme.write_text(f"before\n{begin}\nwhat was here\n{end}\nafter\n")
    claim_tables.write_readme(readme, "smoke")
    text = readme.read_text()
    assert text == f"before\n{begin}\n{claim_tables.leading_count('smoke')}\n\n{scorecard('smoke')}\n{end}\nafter\n"
    claim_tables.write_readme(readme, "smoke")
    assert readme.read_text() == text


def test_the_readme_shows_the_published_score(monkeypatch):
    monkeypatch.setenv("REPSIM_RESULTS", str(REPOSITORY / "results"))
    assert scorecard("laptop") in (REPOSITORY / "README.md").read_text(encoding="utf-8")


MARKERS = claim_tables.BEGIN + claim_tables.END


@pytest.mark.parametrize("text", ["", claim_tables.BEGIN, claim_tables.END + claim_tables.BEGIN, 2 * MARKERS])
def test_readme_without_its_markers_is_left_alone(results, tmp_path, text):
    readme = tmp_path / "README.md"
    readme.write_text(text)
    with pytest.raises(ClaimError, match="README.md"):
        claim_tables.write_readme(readme, "smoke")
    assert readme.read_text() == text


# ----------------------------------------------------------------------------------------------------------- bad files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Input should be an object"),
        ("claims: 3", "claims: Input should be a valid array"),
        ("claims: []\nmore: 1", "more: Extra inputs"),
        ("claims: [3]", r"claims\[0\]: Input should be an object"),
        ("claims: [{}]", r"claims\[0\]\.id: Field required"),
        ("claims: [{id: X1, id: X2}]", "the key 'id' comes twice"),
        (one(fixed=None), r"claims\[0\]\.fixed: Field required"),
        (one(fixed="soon"), r"claims\[0\]\.fixed: Input should be a valid date"),
        ("a: [", "not YAML"),
        ("a: 2024-13-45", "not YAML"),
        ("!!python/object:os.system {}", "not YAML"),
        ("claims: &a [*a]", "not YAML"),
        ("[" * 1_000, "not YAML"),
        (one(id="no such"), r"claims\[0\]\.id: String should match pattern"),
        (one(id=1), "valid string"),
        (one(statement=" "), r"claims\[0\]\.statement: String should match pattern"),
        (one(paper="x"), "valid number"),
        (one(needs=[1]), "needs"),
        (one(colour=1), "colour: Extra inputs"),
        (one(partly={"kind": "above"}), r"claims\[0\]\.partly"),
    ],
)
def test_what_is_not_a_file_of_claims_is_refused(text, message):
    with pytest.raises(ClaimError, match=message):
        claims.parse_claims(text)


RECURSIVE = """
claims:
- {id: X1, section: S, statement: A., place: P, tolerance: T, notebook: N, predicate: &p {kind: all, of: [*p]}}
"""


def test_a_predicate_that_contains_itself_is_refused():
    with pytest.raises(ClaimError, match="not YAML"):
        claims.parse_claims(RECURSIVE)


def test_two_claims_of_one_name():
    text = yaml.safe_dump({"claims": [CLAIM, CLAIM], "names": {"a": "the a"}})
    with pytest.raises(ClaimError, match="more than one claim 'X1'"):
        claims.parse_claims(text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ClaimError, match="cannot be read"):
        claims.load_claims(tmp_path / "claims.yml")


def named_or_read(content):
    """Read claims, or fail with an error that names the file, and with no other."""
    try:
        claims.parse_claims(content)
    except ClaimError as error:
        message = str(error)
    else:
        return
    assert message.startswith("claims.yml: ")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_claims_or_a_named_error(content):
    named_or_read(content)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6) | SCALARS, inner, max_size=4),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*CLAIM, "paper", "needs"]), ANYTHING)
def test_any_value_in_a_claim_gives_claims_or_a_named_error(key, value):
    named_or_read(yaml.safe_dump({"claims": [{**CLAIM, key: value}], "names": {"a": "the a"}}))


KINDS = sorted({entry["kind"] for entry, _, _ in CASES})


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(["of", "value", "than", "tolerance"]), ANYTHING))
def test_any_predicate_is_refused_by_name_or_decides(kind, parts):
    with contextlib.suppress(ValidationError):
        assert PREDICATES.validate_python({"kind": kind, **parts}).holds({}) is None
