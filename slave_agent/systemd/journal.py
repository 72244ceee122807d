"""journalctl's arguments and its JSON lines. Pure: who runs it is the caller's business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional, Union


@dataclass(frozen=True)
class JournalQuery:
    """What to read of one unit's journal. `since` and `until` are UTC in ISO; `priority` is the least severe wanted."""

    unit: str
    is_user: bool = False
    lines: Optional[int] = None
    since: Optional[str] = None
    until: Optional[str] = None
    priority: Optional[int] = None
    grep: Optional[str] = None
    cursor: Optional[str] = None
    follow: bool = False


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
    """Given a query, return the argv that prints its entries as JSON lines."""
    raise NotImplementedError


def parse_entry(line: Union[bytes, str]) -> Optional[JournalEntry]:
    """Given a line of journalctl's, return its entry, or None for a line that is no entry."""
    raise NotImplementedError
