"""Which layers of a model are taken."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from repsim.errors import ParameterError
from repsim.notices import listed

# What follows a layer's name: which of its calls, and which part of what it gave.
_PLACE = re.compile(r"(#\d+)?(\[[^\]]*\])*$")


class Selection:
    """The layers that were asked for, and the order in which they are given back.

    `known` holds every layer of the model by its name, in the model's order. `requested` is as `repsim.activations`
    takes it; where it is None, the layers in `default` are taken. Messages call the model `owner`. `repeated` holds
    the names of layers that have an earlier name too, with that name: what a layer gives is known by the layer only.
    `layers` are then the names of the layers to look at.
    """

    def __init__(
        self,
        known: Mapping[str, Any],
        requested: Any,
        default: Iterable[str],
        owner: str,
        repeated: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.owner, self.repeated = owner, repeated
        self.by_default = requested is None
        groups = [list(default)] if requested is None else _resolved(known, requested, owner)
        self._groups: dict[str, int] = {}  # of names, which those in a list make in their order
        for i, group in enumerate(groups):
            for name in group:
                if repeated.get(name) not in group:  # a layer that a pattern finds by both of its names is taken once
                    self._groups.setdefault(name, i)
        if not self._groups:
            raise ParameterError(f"no layer of {owner} was chosen; it has {_listed(known)}")
        self.layers = list(dict.fromkeys(_layer(name, known) for name in self._groups))

    def position(self, name: str) -> int | None:
        """Return the place of an output among those asked for; None if it was not. Those of one pattern have one."""
        request = self._request(name)
        return None if request is None else self._groups[request]

    def _request(self, name: str) -> str | None:
        if name in self._groups:
            return name
        return next((r for r in self._groups if name.startswith(r) and name[len(r)] in "#["), None)

    def unanswered(self, given: Iterable[str]) -> list[str]:
        """Return the requests that none of the outputs answers."""
        answered = {self._request(name) for name in given}
        return [request for request in self._groups if request not in answered]


def repeated(known: Mapping[str, Any]) -> dict[str, str]:
    """Return names of layers that have an earlier name too, with that name."""
    earlier: dict[int, str] = {}
    return {name: first for name, layer in known.items() if (first := earlier.setdefault(id(layer), name)) != name}


def names(known: Mapping[str, Any], requested: Any, owner: str) -> list[str]:
    """Return the names that a pattern, a class or a list stands for."""
    groups = _resolved(known, requested, owner)
    return list(dict.fromkeys(name for group in groups for name in group))


def _resolved(known: Mapping[str, Any], requested: Any, owner: str) -> list[list[str]]:
    if isinstance(requested, str):
        return [_matching(known, requested, owner)]
    if isinstance(requested, type) or (isinstance(requested, tuple) and all(isinstance(t, type) for t in requested)):
        return [[name for name, layer in known.items() if isinstance(layer, requested)]]
    requests = list(requested) if isinstance(requested, Iterable) else [requested]
    if not all(isinstance(request, str) for request in requests):
        raise ParameterError(
            f"layers of {owner}: {requested!r} is given; a name, a pattern such as 'layer*.conv?', a class of layers, "
            "or a list of names is needed"
        )
    if twice := [request for request in dict.fromkeys(requests) if requests.count(request) > 1]:
        raise ParameterError(
            f"layers names {listed([repr(name) for name in twice], 3)} more than once; each is taken once"
        )
    return [_matching(known, request, owner) for request in requests]


def _matching(known: Mapping[str, Any], request: str, owner: str) -> list[str]:
    if _layer(request, known) in known:
        return [request]
    place = _PLACE.search(request)[0]  # type: ignore[index]
    for wanted, ending in ((request, ""), (request.removesuffix(place), place)):
        pattern = re.compile(re.escape(wanted).replace(r"\*", ".*").replace(r"\?", "."))
        if matches := [f"{name}{ending}" for name in known if pattern.fullmatch(name)]:
            return matches
    ends = [name for name in known if re.split(r"[./]", name)[-1] == request]
    close = ends[:3] or difflib.get_close_matches(request, list(known), 3)
    hint = f"did you mean {' or '.join(map(repr, close))}? It has" if close else "it has"
    raise ParameterError(f"{owner} has no layer {request!r}; {hint} {_listed(known)}")


def _layer(request: str, known: Mapping[str, Any]) -> str:
    return request if request in known else _PLACE.sub("", request)


def _listed(known: Iterable[str]) -> str:
    return listed(list(known), 20) or "none"
