"""From what an operator writes to a filter of journal entries. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from d8.app_models import LogPriority
from d8.errors import UsageError

AGO = re.compile(r"(\d{1,6})\s*(s|m|min|h|d)", re.IGNORECASE)
UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}
TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
OTHER_WORDS = {
    "error": LogPriority.ERR,
    "errors": LogPriority.ERR,
    "critical": LogPriority.CRIT,
    "warn": LogPriority.WARNING,
    "warnings": LogPriority.WARNING,
}


def parse_moment(text: str, now: datetime) -> str:
    """Given a moment as people write it and the present one (with its zone), return it as ISO-8601 in UTC.

    Ago (90s, 10m, 2h, 1d), of today (14:30), a day, a day with a time, ISO-8601; without a zone it is `now`'s.
    """
    word = text.strip()
    try:
        if ago := AGO.fullmatch(word):
            moment = now - timedelta(**{UNITS[ago[2].lower()]: int(ago[1])})
        elif today := TIME_OF_DAY.fullmatch(word):
            hour, minute, second = (int(part or 0) for part in today.groups())
            moment = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
        else:
            moment = datetime.fromisoformat(word)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    except (ValueError, OverflowError) as error:
        raise UsageError("'{text}' is no moment", "10m, 2h, 1d (ago), 14:30, 2026-11-22 14:30.", text=text) from error


def parse_priority(text: str) -> LogPriority:
    """Given a priority's name or number, return it. Raises UsageError that lists them."""
    word = text.strip().lower()
    if word in OTHER_WORDS:
        return OTHER_WORDS[word]
    for priority in LogPriority:
        if word in (priority.name.lower(), str(int(priority))):
            return priority
    names = ", ".join(priority.name.lower() for priority in LogPriority)
    raise UsageError("'{text}' is no priority", "One of {names}, or 0 to 7.", text=text, names=names)
