"""Which layers of each architecture are represented; kept apart from the networks so that no backend is needed."""

from __future__ import annotations

_TEN = (*(f"conv{number}" for number in range(1, 9)), "pool", "logits")
LAYERS = {"tiny10": _TEN, "nano10": _TEN}


def compared_layers(architecture: str) -> tuple[str, ...]:
    """Return the layers that the paper compares: all but the logits."""
    return LAYERS[architecture][:-1]
