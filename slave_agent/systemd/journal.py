"""journalctl's arguments and its JSON lines. Pure: who runs it is the caller's business."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Optional, Union

FIELDS = ("MESSAGE", "MESSAGE_ID", "PRIORITY", "SYSLOG_IDENTIFIER", "_PID", "_SYSTEMD_UNIT", "_SYSTEMD_USER_UNIT")
LONGEST_MESSAGE = 64 * 1024  # characters; journald itself cuts the lines of an app at 48 KiB
INFO = 6
_LINES_WERE_DROPPED = "a596d6fe7bfa4994828e72309e95d61e"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class JournalQuery:
    """What to read of one unit's journal. `since` and `until` are UTC in ISO; `priority` is the least severe wanted.

    `grep` is a plain text that the message holds, in any case; `cursor` begins after that entry, or before it where
    `is_reversed` (newest first). `lines` None is all.
    """

    unit: str
    is_user: bool = False
    lines: Optional[int] = None
    since: Optional[str] = None
    until: Optional[str] = None
    priority: Optional[int] = None
    grep: Optional[str] = None
    cursor: Optional[str] = None
    follow: bool = False
    is_reversed: bool = False


@dataclass(frozen=True)
class JournalEntry:
    """One entry. `time` is UTC in ISO with microseconds; `is_suppression` marks journald's word on lines it dropped."""

    cursor: str
    time: str
    priority: int
    message: str
    pid: Optional[int] = None
    unit: Optional[str] = None
    identifier: Optional[str] = None
    is_suppression: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "type": "entry",
            "cursor": self.cursor,
            "time": self.time,
            "priority": self.priority,
            "message": self.message,
            "pid": self.pid,
        }


def journalctl_argv(query: JournalQuery) -> list[str]:
    """Given a query, return the argv that prints its entries as JSON lines, oldest first unless reversed."""
    words = ["journalctl", "--quiet", "--no-pager", "--output=json", "--all", "--output-fields=" + ",".join(FIELDS)]
    words.append(("--user-unit=" if query.is_user else "--unit=") + query.unit)
    words.append(f"--lines={'all' if query.lines is None else query.lines}")
    if query.since is not None:
        words.append("--since=" + _since_epoch(query.since))
    if query.until is not None:
        words.append("--until=" + _since_epoch(query.until))
    if query.priority is not None:
        words.append(f"--priority={query.priority}")
    if query.grep:
        words += ["--grep=" + _literally(query.grep), "--case-sensitive=no"]
    if query.cursor is not None:
        words.append("--after-cursor=" + query.cursor)
    if query.follow:
        words.append("--follow")
    if query.is_reversed:
        words.append("--reverse")
    return words


def parse_entry(line: Union[bytes, str]) -> Optional[JournalEntry]:
    """Given a line of journalctl's, return its entry, or None for a line that is no entry."""
    try:
        fields = json.loads(line)
        message = _text(fields.get("MESSAGE"))
        return JournalEntry(
            cursor=fields["__CURSOR"],
            time=_iso(int(fields["__REALTIME_TIMESTAMP"])),
            priority=_number(fields.get("PRIORITY"), INFO),
            message=message if len(message) <= LONGEST_MESSAGE else _cut(message),
            pid=_number(fields.get("_PID"), None),
            unit=_optional_text(fields.get("_SYSTEMD_USER_UNIT") or fields.get("_SYSTEMD_UNIT")),
            identifier=_optional_text(fields.get("SYSLOG_IDENTIFIER")),
            is_suppression=fields.get("MESSAGE_ID") == _LINES_WERE_DROPPED,
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _text(value: Any) -> str:
    """A field as text: journalctl writes bytes that are no clean UTF-8 as numbers, and a repeated field as a list."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):  # null, or not there at all
        return ""
    if all(isinstance(item, int) for item in value):
        return bytes(value).decode("utf-8", "replace")
    return "\n".join(_text(item) for item in value)


def _optional_text(value: Any) -> Optional[str]:
    return None if value is None else _text(value)


def _number(value: Any, otherwise: Any) -> Any:
    if isinstance(value, list):
        value = value[0] if value else None
    return int(value) if isinstance(value, str) and value.isdecimal() else otherwise


def _cut(message: str) -> str:
    return f"{message[:LONGEST_MESSAGE]}… ({len(message)} characters in all)"


def _iso(microseconds: int) -> str:
    moment = _EPOCH + timedelta(microseconds=microseconds)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _since_epoch(moment: str) -> str:
    """A moment as journalctl of every version reads it. Given UTC in ISO, return seconds since 1970 with six digits."""
    parsed = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    parsed = parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)
    seconds, rest = divmod((parsed - _EPOCH) // timedelta(microseconds=1), 1_000_000)
    return f"@{seconds}.{rest:06d}"


def _literally(text: str) -> str:
    """The text as a pattern that matches nothing but itself."""
    return "\\Q" + text.replace("\\E", "\\E\\\\E\\Q") + "\\E"
