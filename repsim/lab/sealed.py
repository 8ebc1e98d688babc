"""JSON files that hold their own SHA-256, so that any altered byte of them is noticed when they are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from repsim.lab.errors import DamagedArtefactError

SEAL = "record_sha256"


def sealed(value: Mapping[str, Any]) -> bytes:
    """Return `value` as indented JSON whose last entry is the SHA-256 of the JSON without that entry.

    This guards against damage, not against forgery: whoever alters a file on purpose can seal it again.
    """
    content = {name: one for name, one in value.items() if name != SEAL}
    return _written({**content, SEAL: hashlib.sha256(_written(content)).hexdigest()})


def _written(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def unseal(path: Path) -> dict[str, Any]:
    """Read what :func:`sealed` wrote, without its seal.

    Raises
    ------
    DamagedArtefactError
        If the file cannot be read, has no seal, or any byte of it is another than when it was sealed.
    """
    try:
        content = path.read_bytes()
        value = json.loads(content)
    except OSError as error:
        raise DamagedArtefactError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise DamagedArtefactError(f"{path} is damaged: not JSON ({error})") from None
    if not isinstance(value, dict) or not isinstance(value.get(SEAL), str):
        raise DamagedArtefactError(f"{path} is damaged: it holds no {SEAL}, which every record ends with")
    try:
        expected = sealed(value)
    except ValueError:  # half of a pair of surrogates, which no file can hold
        expected = b""
    if content != expected:
        raise DamagedArtefactError(f"{path} is damaged: its content is not that of its {SEAL}, {value[SEAL]:.64}")
    del value[SEAL]
    return value
