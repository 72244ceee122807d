"""Reads the body of POST /api/execute. The bootstrap and the agent refuse the same things with the same words."""

from __future__ import annotations

import math
import re
from typing import Any, Callable, Mapping, NamedTuple

from slave_agent.bootstrap.errors import InvalidRequest
from slave_agent.bootstrap.job_models import DEFAULT_TIMEOUT_SECONDS, LONGEST_TIMEOUT_SECONDS, JobRequest
from slave_agent.bootstrap.sweep import TAG_NAME

LONGEST_COMMAND_BYTES = 131000
"""Linux passes at most 128 KiB in one argument (MAX_ARG_STRLEN)."""

VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
REQUESTED_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


class ExecuteRequest(NamedTuple):
    """A job to start, and whether the answer waits for its end."""

    job: JobRequest
    wait: bool


def read_execute_request(document: Any) -> ExecuteRequest:
    """Given the parsed JSON body, return what is asked for. Raises InvalidRequest, which names the field."""
    if not isinstance(document, dict):
        raise InvalidRequest("The body must be a JSON object.", 'For example {"command": "uname -a"}.')
    unknown = sorted(set(document) - set(READERS))
    if unknown:
        raise InvalidRequest(f"Unknown field {unknown[0]!r}.", f"The fields are {', '.join(READERS)}.")
    if "command" not in document:
        raise InvalidRequest("The field command is missing.", 'For example {"command": "uname -a"}.')
    values = {name: READERS[name](name, value) for name, value in document.items() if value is not None}
    if "command" not in values:
        raise InvalidRequest("The field command must be a text.")
    job = JobRequest(
        command=values["command"],
        working_dir=values.get("working_dir"),
        timeout_seconds=values.get("timeout", DEFAULT_TIMEOUT_SECONDS),
        stdin=values.get("stdin"),
        env=values.get("env", {}),
        id=values.get("id"),
    )
    return ExecuteRequest(job, values.get("wait", True))


def _unicode(name: str, value: Any) -> str:
    """Return `value` if it is text that can be written as UTF-8: no half of a surrogate pair."""
    if not isinstance(value, str):
        raise InvalidRequest(f"The field {name} must be a text.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as problem:
        raise InvalidRequest(f"The field {name} is not valid Unicode.") from problem
    return value


def _text(name: str, value: Any) -> str:
    """Return `value` if it is text that can be an argument or a path."""
    if "\0" in _unicode(name, value):
        raise InvalidRequest(f"The field {name} must not contain a NUL character.")
    return str(value)


def _command(name: str, value: Any) -> str:
    text = _text(name, value)
    if not text.strip():
        raise InvalidRequest(f"The field {name} must not be empty.")
    if len(text.encode("utf-8")) > LONGEST_COMMAND_BYTES:
        raise InvalidRequest(f"The field {name} is too long.", "Upload it as a file, or send it as stdin of sh.")
    return text


def _timeout(name: str, value: Any) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 < value <= LONGEST_TIMEOUT_SECONDS:
        raise InvalidRequest(f"The field {name} must be a number of seconds, above 0 and at most 86400.")
    return float(value)


def _environment(name: str, value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise InvalidRequest(f"The field {name} must be an object of texts.")
    for variable, content in value.items():
        if not VARIABLE_NAME.match(variable) or variable == TAG_NAME:
            raise InvalidRequest(f"The field {name} must not set {variable!r}.", "Use letters, digits and underscores.")
        _text(f"{name}.{variable}", content)
    return value


def _id(name: str, value: Any) -> str:
    if not isinstance(value, str) or not REQUESTED_ID.match(value):
        raise InvalidRequest(f"The field {name} must be 1 to 64 letters, digits, hyphens or underscores.")
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f"The field {name} must be true or false.")
    return value


READERS: Mapping[str, Callable[[str, Any], Any]] = {
    "command": _command,
    "working_dir": _text,
    "timeout": _timeout,
    "stdin": _unicode,
    "env": _environment,
    "id": _id,
    "wait": _flag,
}
