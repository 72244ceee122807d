"""What a request of the root helper looks like: one JSON object with a known verb and exactly that verb's fields."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

LONGEST_REQUEST_BYTES = 128 * 1024


class Refused(Exception):
    """The request is not one that root fulfils; the message says why."""

    hint = "Only the agent may ask, and only the helper's fixed verbs with their fields."


@dataclass(frozen=True)
class Verb:
    """What it does, and the fields that it takes by name: those that must be there and those that may, by type."""

    run: Callable[..., Mapping[str, Any]]
    required: Mapping[str, type] = field(default_factory=dict)
    optional: Mapping[str, type] = field(default_factory=dict)


def parse_request(line: bytes, verbs: Mapping[str, Verb]) -> tuple[Verb, dict[str, Any]]:
    """Given the request's line, return its verb and fields. Raises Refused."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise Refused("the request is not JSON") from None
    if not isinstance(request, dict):
        raise Refused("the request is not an object")
    named = request.pop("verb", None)
    verb = verbs.get(named) if isinstance(named, str) else None
    if verb is None:
        raise Refused("unknown verb")
    known = {**verb.required, **verb.optional}
    if not set(verb.required) <= set(request) <= set(known):
        raise Refused(f"{named} takes other fields")
    if any(type(value) is not known[name] for name, value in request.items()):
        raise Refused(f"{named} takes other types")
    return verb, request
