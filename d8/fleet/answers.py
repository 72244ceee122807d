"""What a slave's answer must look like before the master believes it. Pure: bytes in, checked values out.

A slave may be broken, or another program may hold its port: whatever it says, nothing but NotUnderstood comes of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, TypeVar

Json = dict[str, Any]
Kind = TypeVar("Kind")
MAXIMUM_ANSWER_BYTES = 16 * 1024 * 1024  # two streams of 1 MiB, each byte written as \u0000, fit
MAXIMUM_DEPTH = 64  # D8's own answers stay below ten
LARGEST_NUMBER = 2**63  # of what a slave counts, nothing is larger; what is would not fit a float or the registry
HALF_CHARACTERS = re.compile("[\ud800-\udfff]")  # JSON can hold lone surrogates; no file and no terminal can


class NotUnderstood(ValueError):
    """The answer is not one that a D8 server gives."""


def joined(chunks: Iterable[bytes], limit_bytes: int = MAXIMUM_ANSWER_BYTES) -> bytes:
    """Given the body as it comes, return it whole. Raises NotUnderstood as soon as it is larger than the limit."""
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > limit_bytes:
            raise NotUnderstood(f"more than {limit_bytes} bytes")
    return bytes(body)


def document(body: bytes) -> Json:
    """Given a body, return its JSON object; halves of characters become U+FFFD. Raises NotUnderstood."""
    try:
        found = _clean(json.loads(body, parse_constant=_no_number))
    except (ValueError, RecursionError) as error:
        raise NotUnderstood("no JSON") from error
    if not isinstance(found, dict):
        raise NotUnderstood("no JSON object")
    return found


def needed(answer: Json, name: str, kind: type[Kind]) -> Kind:
    """Given an answer, return a field that must be there. Raises NotUnderstood."""
    value = optional(answer, name, kind)
    if value is None:
        raise NotUnderstood(f"no {name}")
    return value


def optional(answer: Json, name: str, kind: type[Kind]) -> Kind | None:
    """Given an answer, return a field, None where it is absent or null. Raises NotUnderstood for another type."""
    value = answer.get(name)
    if value is None:
        return None
    if kind is float and type(value) is int:
        value = float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise NotUnderstood(f"{name} is a {type(value).__name__}")
    return value


def checked_health(answer: Json) -> Json:
    """Given a health answer, return it. Raises NotUnderstood where a field that the master reads has another type."""
    optional(answer, "mode", str)
    optional(answer, "commit", str)
    optional(optional(answer, "host", dict) or {}, "machine_id", str)
    return answer


def _clean(value: Any, depth: int = 0) -> Any:
    if depth > MAXIMUM_DEPTH:
        raise NotUnderstood("nested too deeply")
    if isinstance(value, str):
        return HALF_CHARACTERS.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(item, depth + 1) for name, item in value.items()}
    if isinstance(value, int | float) and not abs(value) <= LARGEST_NUMBER:
        raise NotUnderstood("a number that is none")
    return value


def _no_number(name: str) -> None:
    raise NotUnderstood(name)
