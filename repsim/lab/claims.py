"""The paper's claims: what each says, what has been measured for it, and the verdict that follows.

``book/claims.yml`` holds the claims, ``results/PROFILE/claims/ID.json`` what was measured. A verdict is only ever
computed from the two, so that no page, table or test can disagree with another.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from repsim.lab.errors import DamagedArtefactError, known
from repsim.lab.execution import kept, stamp
from repsim.lab.predicates import ClaimError, Margin, Number, Predicate, Quantity, Reported, Strict, is_number
from repsim.lab.profiles import load_profile, read_yaml
from repsim.lab.repository import REPOSITORY, results_root
from repsim.lab.store import as_json, unseal, write_record

REPRODUCED, PARTLY, NOT_REPRODUCED, NOT_DETERMINED, NOT_JUDGED, NOT_MEASURED, REPORTED = VERDICTS = (
    "reproduced",
    "partly",
    "not reproduced",
    "not determined",
    "not judged",  # measured, but not on what the rule asks for
    "not measured",
    "reported",
)
IN_P = "in p"  # the unit of the distance of a p-value to its threshold
Text = Annotated[str, Field(strict=True, pattern=r"\S")]


@dataclass(frozen=True)
class Tolerance:
    """Numbers agree within `relative` of the larger one or within `absolute`; `why` is a reason in words."""

    relative: float
    absolute: float
    why: str

    def __str__(self) -> str:
        return f"within {self.relative:g} of the value or {self.absolute:g}: {self.why}"

    def holds(self, value: Any, other: Any) -> bool:
        """Return whether two JSON values are the same but for numbers that agree."""
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            return value.keys() == other.keys() and all(self.holds(value[key], other[key]) for key in value)
        if isinstance(value, list | tuple) and isinstance(other, list | tuple):
            return len(value) == len(other) and all(map(self.holds, value, other))
        if isinstance(value, int | float) and isinstance(other, int | float):
            return math.isclose(value, other, rel_tol=self.relative, abs_tol=self.absolute)
        return bool(value == other)


SUMMATION = Tolerance(1e-9, 1e-12, "processors add up float64 numbers in different orders")
CLAIMS = Tolerance(1e-6, 1e-9, "the same float64 arithmetic on the same results")
ACCURACY = Tolerance(0, 2e-4, "two of 10,000 images may change sides with the rounding of float32 activations")
SIMILARITY = Tolerance(2e-3, 1e-6, "activations are float32, and other machines round them differently")


class Claim(Strict):
    """A finding of the paper that can be checked, or ours; ``book/claims.yml`` says at its top what each part is."""

    id: Annotated[str, Field(strict=True, pattern=r"^[A-Za-z][A-Za-z0-9.]{0,19}$")]
    section: Text
    statement: Text
    place: Text
    predicate: Predicate
    tolerance: Text
    sentence: Text
    fixed: Annotated[date, Field(strict=True)]
    notebook: Annotated[str, Field(strict=True)] = ""
    figure: Text | None = None
    paper: Number | None = None
    partly: Predicate | None = None
    needs: dict[Quantity, Number] = {}
    unit: Text | None = None
    ours: Annotated[bool, Field(strict=True)] = False
    answers: Text | None = None
    why: Text | None = None
    why_figure: Text | None = None

    @property
    def rules(self) -> list[Predicate]:
        """The predicates of "reproduced" and, if there is one, of "partly"."""
        return [self.predicate, *([self.partly] if self.partly else [])]

    @property
    def judged(self) -> list[str]:
        """The quantities that the verdict rests on."""
        return [*dict.fromkeys([*(name for rule in self.rules for name in rule.quantities()), *self.needs])]


class _File(Strict):
    """What ``claims.yml`` holds."""

    claims: list[Claim]
    names: dict[Quantity, Text] = {}


class Claims(dict[str, Claim]):
    """The claims by their names, in their order, and what the quantities are called that they judge."""

    names: Mapping[str, str]


@dataclass(frozen=True)
class Measurement:
    """What was measured for one claim: quantities, number of examples, spread over networks, and by which notebook."""

    claim: str
    values: Mapping[str, Any]
    n: int | None = None
    spread: float | None = None
    notebook: str | None = None
    profile: str | None = None


class Judged(NamedTuple):
    """A claim, what was measured for it, and its verdict."""

    claim: Claim
    measured: Measurement | None
    verdict: str


def load_claims(path: Path | None = None) -> Claims:
    """Read the claims of ``book/claims.yml``, or of a file like it, in their order; an error names the place."""
    path = path or REPOSITORY / "book" / "claims.yml"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ClaimError(f"{path} cannot be read: {error.strerror or error}") from None
    return parse_claims(content, path.name)


@lru_cache(maxsize=4)
def parse_claims(content: bytes | str, where: str = "claims.yml") -> Claims:
    """Read claims from YAML; see :func:`load_claims`."""
    file = read_yaml(where, content, _File, ClaimError)
    claims = Claims({claim.id: claim for claim in file.claims})
    claims.names = file.names
    if twice := [name for name, count in Counter(claim.id for claim in file.claims).items() if count > 1]:
        raise ClaimError(f"{where}: there is more than one claim {twice[0]!r}")
    if unnamed := {name for claim in file.claims for name in claim.judged} - file.names.keys():
        raise ClaimError(f"{where}: names: {sorted(unnamed)} missing, which claims are judged by")
    return claims


def find_claim(claim_id: str) -> Claim:
    """Return the claim of that name."""
    claims = load_claims()
    if claim_id not in claims:
        raise ClaimError(known("claim", claim_id, claims))
    return claims[claim_id]


def measurement_path(profile: str, claim_id: str) -> Path:
    """Return where the measurement of a claim stands."""
    return results_root() / profile / "claims" / f"{claim_id}.json"


def record(profile: str, claim_id: str, values: Mapping[str, Any], **about: Any) -> Path:
    """Write what was measured for a claim, as :func:`recorded` has it, and return the file.

    The same values give the same bytes. A file that says the same already, or differs by rounding only, as another
    machine does, is left alone, so that judging committed results leaves these as they are.
    """
    held = recorded(profile, claim_id, values, **about)
    path = measurement_path(profile, claim_id)
    try:
        unchanged = SUMMATION.holds(unseal(path), held)
    except DamagedArtefactError:  # it is being measured again
        unchanged = False
    if not unchanged:
        write_record(path, held)
    return path


def recorded(
    profile: str,
    claim_id: str,
    values: Mapping[str, Any],
    *,
    n: int | None = None,
    spread: float | None = None,
    notebook: str | None = None,
) -> dict[str, Any]:
    """Return what the file of a claim holds; `spread` is that over networks of the first quantity of its predicate.

    Of `values`, None or a number that is not finite says that a quantity could not be determined; those that the
    predicate needs have to be there.
    """
    load_profile(profile)
    claim = find_claim(claim_id)
    plain = {str(name): _plain(value, f"claim {claim_id}: {name}") for name, value in values.items()}
    if missing := sorted(set(claim.judged) - set(plain)):
        raise ClaimError(f"claim {claim_id}: {missing} missing among the measured values {sorted(plain)}")
    return {
        "claim": claim_id,
        "n": None if n is None else int(n),
        "notebook": notebook,
        "profile": profile,
        "spread": _plain(spread, f"claim {claim_id}: spread"),
        "values": dict(sorted(plain.items())),
    }


def _plain(value: Any, where: str) -> Any:
    """Return a value as JSON can hold it: numbers of any library as Python's, and None for what is not finite."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(number, where) for number in value]
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, int | float | None):
        raise ClaimError(f"{where}: expected a number or a list of numbers, found {value!r:.40}")
    return value if is_number(value) else None


def measurement(profile: str, claim_id: str) -> Measurement | None:
    """Return what was measured for a claim, None if nothing was."""
    path = measurement_path(profile, claim_id)
    if not path.exists():
        return None
    try:
        held = unseal(path)
    except DamagedArtefactError as error:
        raise ClaimError(f"{error}. Delete it to have it measured again.") from None
    if held.keys() != {field.name for field in fields(Measurement)} or not isinstance(held["values"], dict):
        raise ClaimError(f"{path} is damaged: not a measurement. Delete it to have it measured again.")
    measured = Measurement(**held)
    if (measured.claim, measured.profile) != (claim_id, profile):
        raise ClaimError(f"{path} is of claim {measured.claim!r} and profile {measured.profile!r}")
    return measured


def judge(claim: Claim, measured: Measurement | None) -> str:
    """Return the verdict on a claim, one of `VERDICTS`, that follows from what was measured."""
    if measured is None:
        return NOT_MEASURED
    outcome = claim.predicate.holds(measured.values, claim.paper)
    if outcome is None:
        return NOT_MEASURED
    if lacking(claim, measured):
        return NOT_JUDGED
    if undetermined(measured.values):
        return NOT_DETERMINED
    if outcome:
        return REPORTED if isinstance(claim.predicate, Reported) else REPRODUCED
    return PARTLY if claim.partly and claim.partly.holds(measured.values, claim.paper) else NOT_REPRODUCED


def lacking(claim: Claim, measured: Measurement) -> list[str]:
    """Return the quantities of which a claim needs more than was measured."""
    values = {name: measured.values.get(name) for name in claim.needs}
    return [name for name, have in values.items() if not (is_number(have) and float(have or 0) >= claim.needs[name])]


def undetermined(values: Mapping[str, Any]) -> str:
    """Return why what was measured determines no verdict, nothing if it does.

    Pairs of layers whose ranks add up to more than the examples leave room for are certainly alike in some directions,
    whatever the networks do; and equal similarities have no order.
    """
    pairs, ties = (values.get(name) or 0 for name in ("undetermined_pairs", "tied_matches"))
    reasons = []
    if pairs:
        reasons.append(
            f"in {pairs:,} of {values['layer_pairs']:,} pairs of layers the two together have more dimensions "
            "than the examples can tell apart"
        )
    if ties:
        reasons.append(f"{ties} best match{'es are' if ties > 1 else ' is'} shared by several layers")
    return ", and ".join(reasons)


def decisive(claim: Claim, measured: Measurement) -> Margin | None:
    """Return how far from its threshold a claim is: the nearest that holds or, of those that fail, the farthest."""
    margins = claim.predicate.margins(measured.values, claim.paper)
    if not margins:
        return None
    failing = [margin for margin in margins if not margin.holds]
    return min(failing or margins, key=lambda margin: (margin.relative, margin.distance))


def near(claim: Claim, measured: Measurement) -> bool:
    """Return whether a claim is within a tenth of its threshold, or within one standard error of it.

    A value that is only known to be at least so much is near to nothing. A distance in p has no standard error.
    """
    margin = decisive(claim, measured)
    if margin is None or measured.values.get("lower_bound"):
        return False
    error = 0.0 if claim.unit == IN_P else standard_error(measured)
    return abs(margin.relative) <= 0.1 or abs(margin.distance) < error


def standard_error(measured: Measurement) -> float:
    """Return the standard error of the mean over networks, 0 where it is not known."""
    error, deviation, networks = (measured.values.get(name) for name in ("standard_error", "deviation", "networks"))
    return float(error or ((deviation or 0) / math.sqrt(networks) if networks else 0))


def judged(profile: str, path: Path | None = None) -> list[Judged]:
    """Return every claim, of the book or of another file, with what a profile measured for it and its verdict."""
    measurements = [(claim, measurement(profile, claim.id)) for claim in load_claims(path).values()]
    return [Judged(claim, measured, judge(claim, measured)) for claim, measured in measurements]


def take(profile: str, executed: Path) -> None:
    """Take what executed notebooks measured for the claims into the results, and write all verdicts beside them.

    What an earlier run of one of them measured and this one did not goes. ClaimError, and nothing is taken, if there is
    no notebook or one is of another profile.
    """
    notebooks = sorted(executed.glob("*.ipynb"))
    if not notebooks:
        raise ClaimError(f"{executed} holds no executed notebook; `repsim-lab execute` makes them")
    for notebook in notebooks:
        if (of := stamp(notebook).get("profile")) != profile:
            raise ClaimError(f"{notebook} was executed on profile {of!r}, not {profile!r}")
    for notebook in notebooks:
        measured = {name: held for shown in kept(notebook, "claims") for name, held in shown.items()}
        for held in measured.values():
            about = {name: held[name] for name in ("n", "spread", "notebook")}
            record(profile, held["claim"], held["values"], **about)
        for path in measurement_path(profile, "any").parent.glob("*.json"):
            if path.stem not in measured and unseal(path)["notebook"] == notebook.stem:
                path.unlink()
    write_verdicts(profile, executed)


def write_verdicts(profile: str, folder: Path, path: Path | None = None) -> Path:
    """Write all measurements and verdicts into one file; `path` names another file of claims than the book's."""
    rows = [
        {
            "claim": claim.id,
            **{name: getattr(claim, name) for name in ("statement", "place", "paper")},
            "values": dict(measured.values) if measured else None,
            "examples": measured.n if measured else None,
            "spread": measured.spread if measured else None,
            "verdict": verdict,
        }
        for claim, measured, verdict in judged(profile, path)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    written = folder / "verdicts.json"
    written.write_bytes(as_json({"profile": profile, "claims": rows}))
    return written
