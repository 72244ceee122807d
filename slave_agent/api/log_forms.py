"""What is asked of a log in a query string, checked as a whole: every wrong parameter is named at once. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from marshmallow import ValidationError, fields, validate

from slave_agent.api.dto import Form, checked
from slave_agent.errors import HttpProblem
from slave_agent.logs.filters import LogFilter
from slave_agent.logs.log_request import DEFAULT_LINES, MOST_LINES, LogRequest
from slave_agent.systemd.cursors import is_cursor

PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
LONGEST_TEXT = 200
_AGO = re.compile(r"-?(?P<count>[0-9]{1,6})\s*(?P<unit>[smhd])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LOST_PLUS = re.compile(r" (?=[0-9]{2}:?[0-9]{2}\Z)")  # a + in a query string is a space
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def _priority(value: str) -> None:
    if value not in PRIORITIES and value not in map(str, range(len(PRIORITIES))):
        raise ValidationError(f"must be 0 to 7 or one of {', '.join(PRIORITIES)}")


def _moment(value: str) -> None:
    try:
        moment(value, datetime.now(UTC))
    except ValueError as error:
        raise ValidationError("must be a time as 2026-01-31T12:00:00Z, or as 90s, 15m, 2h, 3d ago") from error


def _cursor(value: str) -> None:
    if not is_cursor(value):
        raise ValidationError("must be the cursor of an entry")


def _text(value: str) -> None:
    if not 0 < len(value) <= LONGEST_TEXT or _CONTROL_CHARACTERS.search(value):
        raise ValidationError(f"must be 1 to {LONGEST_TEXT} characters without control characters")


def _lines(fewest: int) -> fields.Integer:
    said = f"must be {fewest} to {MOST_LINES}"
    return fields.Integer(
        load_default=DEFAULT_LINES,
        validate=validate.Range(fewest, MOST_LINES, error=said),
        error_messages={"invalid": said},
    )


class LogStreamForm(Form):
    """The query of WS /logs/NAME. A cursor continues after its entry, whatever `lines` and `since` say."""

    lines = _lines(0)
    priority = fields.String(validate=_priority)
    grep = fields.String(validate=_text)
    since = fields.String(validate=_moment)
    cursor = fields.String(validate=_cursor)


class LogPageForm(LogStreamForm):
    """The query of GET /api/apps/NAME/logs."""

    lines = _lines(1)
    until = fields.String(validate=_moment)
    before = fields.String(validate=_cursor)
    format = fields.String(validate=validate.OneOf(["json", "text"], error="must be json or text"))


def stream_request(query: str, now: datetime) -> LogRequest:
    """Given the query string of a log stream, return what is wanted. Raises HttpProblem 422."""
    return _request(checked(LogStreamForm(), _parameters(query)), now)


def page_request(query: str, now: datetime) -> tuple[LogRequest, bool | None]:
    """Given the query string of a page of a log, return what is wanted, and whether it is wanted as text (None: not
    said). Raises HttpProblem 422.
    """
    values = checked(LogPageForm(), _parameters(query))
    if "cursor" in values and "before" in values:
        raise HttpProblem(422, "cursor and before exclude each other", "Send one of them.")
    return _request(values, now), (values["format"] == "text" if "format" in values else None)


def moment(text: str, now: datetime) -> str:
    """Given a time, or how long ago it was, return it as UTC in ISO. Raises ValueError."""
    try:
        if (ago := _AGO.match(text)) is not None:
            parsed = now - timedelta(seconds=int(ago["count"]) * _SECONDS[ago["unit"]])
        else:
            parsed = datetime.fromisoformat(_LOST_PLUS.sub("+", text))
            parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        utc = parsed.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of range") from error
    if not 1970 <= utc.year < 2200:
        raise ValueError("out of range")
    return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _parameters(query: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        raise HttpProblem(422, "a parameter was sent twice", "Send each once.")
    return {name: value for name, value in parameters.items() if value}


def _request(values: dict[str, Any], now: datetime) -> LogRequest:
    priority = values.get("priority")
    if priority is not None:
        priority = PRIORITIES.index(priority) if priority in PRIORITIES else int(priority)
    since, until = (moment(values[one], now) if one in values else None for one in ("since", "until"))
    if since is not None and until is not None and since > until:
        raise HttpProblem(422, "since is later than until", "Mend it and send the request again.")
    return LogRequest(
        LogFilter(priority, values.get("grep")),
        values["lines"],
        since,
        until,
        values.get("cursor"),
        values.get("before"),
    )
