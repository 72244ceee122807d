"""journalctl's arguments and its JSON lines. Pure: who runs it is the caller's business."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Optional, Union

from slave_agent.systemd.errors import SystemdError
from slave_agent.systemd.field_rules import UNIT_NAME

INFO = 6
DROPPED = "a596d6fe7bfa4994828e72309e95d61e"  # SD_MESSAGE_JOURNAL_DROPPED: journald suppressed lines of a unit
_FIELDS = (
    "MESSAGE",
    "PRIORITY",
    "SYSLOG_IDENTIFIER",
    "MESSAGE_ID",
    "N_DROPPED",
    "_PID",
    "_SYSTEMD_UNIT",
    "_SYSTEMD_USER_UNIT",
    "UNIT",
    "USER_UNIT",
)
_CURSOR = re.compile(r"[A-Za-z0-9=;_-]{1,400}\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class JournalQuery:
    """What to read of one unit's journal.

    `since` and `until` are ISO with a zone (UTC without one); `priority` is the least severe wanted, 0 to 7; `grep` is
    text that a message has to hold, in any case. Oldest first: the newest `lines`; with a cursor or `since`, the first
    `lines` after it. With `is_reversed` newest first: the newest `lines`, with a cursor those before it.
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
    """One entry. `time` is UTC in ISO with microseconds; `is_suppression` marks journald's word on lines it dropped,
    and `dropped` is how many.
    """

    cursor: str
    time: str
    priority: int
    message: str
    pid: Optional[int] = None
    unit: Optional[str] = None
    identifier: Optional[str] = None
    is_suppression: bool = False
    dropped: Optional[int] = None

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
    """Given a query, return the argv that prints its entries as JSON lines. Raises SystemdError for what is no unit,
    cursor, time or priority.
    """
    if not UNIT_NAME.match(query.unit):
        raise SystemdError(f"{query.unit[:80]!a} is no unit's name.", "Name one app.")
    argv = ["journalctl", "--quiet", "--no-pager", "--all", "--output=json", f"--output-fields={','.join(_FIELDS)}"]
    argv.append(f"--{'user-unit' if query.is_user else 'unit'}={query.unit}")
    if query.since is not None:
        argv.append(f"--since=@{_seconds(query.since)}")
    if query.until is not None:
        argv.append(f"--until=@{_seconds(query.until)}")
    if query.priority is not None:
        argv.append(f"--priority={_checked_priority(query.priority)}")
    if query.grep:
        argv += [f"--grep={_literal(query.grep)}", "--case-sensitive=false"]
    if query.cursor is not None:
        argv.append(f"--after-cursor={_checked_cursor(query.cursor)}")
    if query.is_reversed:
        argv.append("--reverse")
    if query.lines is not None:
        argv.append(f"--lines={max(0, query.lines)}")
    if query.follow:
        # Without --merge it shows only the boot that /proc names, and a sandbox inside a container sees a wrong one.
        argv += ["--follow", "--merge", *([] if query.lines is not None else ["--no-tail"])]
    return argv


def parse_entry(line: Union[bytes, str]) -> Optional[JournalEntry]:
    """Given a line of journalctl's, return its entry, or None for a line that is no entry.

    A field may be text, null (too large to print), a list of bytes (not printable), or a list of such values where a
    program sent it more than once.
    """
    try:
        words = json.loads(line)
        cursor, stamp = words["__CURSOR"], int(words["__REALTIME_TIMESTAMP"])
        time = _iso(stamp)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
    if not isinstance(cursor, str):
        return None
    message = "\n".join(_texts(words.get("MESSAGE", "")))
    priority = _number(words.get("PRIORITY"))
    return JournalEntry(
        cursor=cursor,
        time=time,
        priority=priority if priority is not None and priority <= 7 else INFO,
        message=message,
        pid=_number(words.get("_PID")),
        unit=_first(words, "_SYSTEMD_USER_UNIT", "_SYSTEMD_UNIT"),
        identifier=_first(words, "SYSLOG_IDENTIFIER"),
        is_suppression=_first(words, "MESSAGE_ID") == DROPPED,
        dropped=_number(words.get("N_DROPPED")),
    )


def _texts(value: Any) -> list[str]:
    """Return the texts of a field, one unless it was sent more than once."""
    if isinstance(value, str):
        return [value]
    if value is None:
        return ["(a text too long to be shown)"]
    if not isinstance(value, list):
        return [str(value)]
    if all(isinstance(one, int) and 0 <= one <= 255 for one in value):
        return [bytes(value).decode(errors="replace")]
    return [text for one in value for text in _texts(one)]


def _first(words: Any, *names: str) -> Optional[str]:
    return next((_texts(words[name])[0] for name in names if words.get(name)), None)


def _number(value: Any) -> Optional[int]:
    text = _texts(value)[0] if value else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _iso(microseconds: int) -> str:
    return (_EPOCH + microseconds * _MICROSECOND).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _seconds(moment: str) -> str:
    """Given a moment in ISO, return its seconds since 1970 with microseconds, as journalctl takes them."""
    try:
        when = datetime.fromisoformat(moment.replace("Z", "+00:00").replace("z", "+00:00"))
        when = when if when.tzinfo else when.replace(tzinfo=timezone.utc)
        passed = max(0, (when - _EPOCH) // _MICROSECOND)
    except (ValueError, OverflowError) as problem:
        raise SystemdError(
            f"{moment[:60]!a} is no time.", "Write it in ISO 8601, such as 2026-01-31T12:00:00Z."
        ) from problem
    return f"{passed // 1_000_000}.{passed % 1_000_000:06d}"


def _literal(text: str) -> str:
    """Return a pattern (PCRE2) that finds just this text. Raises SystemdError for text that no argument can carry."""
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise SystemdError("No message can be searched for that text.", "Leave out what is no character.")
    return "".join(sign if sign.isalnum() or not sign.isascii() else f"\\x{{{ord(sign):02x}}}" for sign in text)


def _checked_cursor(cursor: str) -> str:
    if not _CURSOR.match(cursor):
        raise SystemdError("That is no cursor of the journal.", "Take it from an entry.")
    return cursor


def _checked_priority(priority: int) -> int:
    if not 0 <= priority <= 7:
        raise SystemdError(f"{priority} is no priority.", "0 is an emergency, 3 an error, 6 information, 7 debugging.")
    return priority
