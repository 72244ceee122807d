"""What clients send, checked as a whole: every wrong field is named at once. Pure.

The body of execute is not here: bootstrap and agent read it with the same function, in bootstrap/execute_request.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from slave_agent.errors import HttpProblem
from slave_agent.models import Enrolment, JsonObject, OfferedKeyPair

LONGEST_WAIT_SECONDS = 30.0
LARGEST_WINDOW_BYTES = 1024 * 1024
_DEFAULT_WINDOW_BYTES = 65536
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_Check = Callable[[Any], str | None]


@dataclass(frozen=True)
class OutputQuery:
    """Which part of a job's output is wanted, in bytes, and how long to wait for something new, in seconds."""

    offset: int
    stderr_offset: int
    limit: int
    wait_seconds: float


def enrolment(document: Any, has_tls: bool) -> Enrolment:
    """Given the body of POST /api/agent/enroll and whether the agent speaks TLS, return what is offered.

    Only TLS needs a key pair; without it one is accepted and not kept. Raises HttpProblem 422. What the texts hold is
    checked by the store.
    """
    always: dict[str, _Check] = {"slave_id": _name, "token_sha256": _some_text}
    with_tls = dict.fromkeys(("certificate", "private_key", "ca_certificate"), _some_text)
    fields = checked(document, always | with_tls if has_tls else always, {} if has_tls else with_tls)
    key_pair = OfferedKeyPair(**{name: fields[name] for name in with_tls}) if has_tls else None
    return Enrolment(fields["slave_id"], fields["token_sha256"], key_pair)


def nothing(document: Any) -> None:
    """Given the body of a call that takes no field, accept it. Raises HttpProblem 422 if there is one."""
    checked(document, {}, {})


def output_query(query: bytes) -> OutputQuery:
    """Given the query string of GET /api/jobs/ID, return what is asked for. Raises HttpProblem 422 naming every wrong
    field.
    """
    given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    problems = [f"{name} is not known" for name in given.keys() - {"offset", "stderr_offset", "limit", "wait"}]

    def number(name: str, default: float, largest: float, kind: Callable[[str], float]) -> float:
        try:
            value = kind(given.get(name, str(default)))
        except ValueError:
            value = -1
        if not 0 <= value <= largest:
            problems.append(f"{name} must be a number from 0 to {largest:g}")
        return value

    asked = OutputQuery(
        offset=int(number("offset", 0, 2**62, int)),
        stderr_offset=int(number("stderr_offset", 0, 2**62, int)),
        limit=int(number("limit", _DEFAULT_WINDOW_BYTES, LARGEST_WINDOW_BYTES, int)),
        wait_seconds=number("wait", 0, LONGEST_WAIT_SECONDS, float),
    )
    _refuse(problems)
    return asked


def checked(document: Any, required: dict[str, _Check], optional: dict[str, _Check]) -> JsonObject:
    """Given a body and the checks of its fields, return it. Raises HttpProblem 422 with every problem. null is as
    good as missing.
    """
    if not isinstance(document, dict):
        raise HttpProblem(422, "the body must be one JSON object", "Send an object with the documented fields.")
    checks = required | optional
    problems = [f"{name} is not known" for name in sorted(document.keys() - checks.keys())]
    for name, check in checks.items():
        value = document.get(name)
        if value is None:
            if name in required:
                problems.append(f"{name} is missing")
        elif (wanted := check(value)) is not None:
            problems.append(f"{name} must be {wanted}")
    _refuse(problems)
    return document


def _refuse(problems: list[str]) -> None:
    if problems:
        raise HttpProblem(422, "; ".join(problems), "Mend these fields and send the request again.")


def _some_text(value: Any) -> str | None:
    return None if isinstance(value, str) and value.strip() and _is_utf8(value) else "a text that is not empty"


def _name(value: Any) -> str | None:
    is_name = (
        isinstance(value, str) and 0 < len(value) <= 128 and not _CONTROL_CHARACTERS.search(value) and _is_utf8(value)
    )
    return None if is_name else "a name without control characters"


def _is_utf8(text: str) -> bool:
    """JSON can hold halves of characters (lone surrogates), which no file and no process can."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
