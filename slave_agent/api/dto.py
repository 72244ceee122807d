"""What clients send, checked as a whole: every wrong field is named at once. Pure.

The body of execute and the query of a job are not here: the bootstrap reads them with the same functions, in
bootstrap/execute_request.py and bootstrap/output_query.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from slave_agent.errors import HttpProblem
from slave_agent.models import Enrolment, JsonObject, OfferedKeyPair

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_Check = Callable[[Any], str | None]


def enrolment(document: Any, has_tls: bool) -> Enrolment:
    """Given the body of POST /api/agent/enroll and whether the agent speaks TLS, return what is offered.

    Only TLS needs a key pair; without it one is accepted and not kept. Raises HttpProblem 422. What the texts hold is
    checked by the store.
    """
    always: dict[str, _Check] = {"slave_id": _name, "token_sha256": _some_text}
    key_pair: dict[str, _Check] = dict.fromkeys(("certificate", "private_key", "ca_certificate"), _some_text)
    fields = checked(document, always | (key_pair if has_tls else {}), key_pair)
    offered = OfferedKeyPair(**{name: fields[name] for name in key_pair}) if has_tls else None
    return Enrolment(fields["slave_id"], fields["token_sha256"], offered)


def nothing(document: Any) -> None:
    """Given the body of a call that takes no field, accept it. Raises HttpProblem 422 if there is one."""
    checked(document, {}, {})


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
