"""What somebody wants of an app's log. Frozen; checked by whoever makes it."""

from __future__ import annotations

from dataclasses import dataclass, field

from slave_agent.logs.filters import LogFilter

DEFAULT_LINES = 100
MOST_LINES = 5000


@dataclass(frozen=True)
class LogRequest:
    """Of the entries that pass the filter: the newest `lines`, or those after `cursor`, or before `before`. `since` and
    `until` are UTC in ISO.
    """

    filter: LogFilter = field(default_factory=LogFilter)
    lines: int = DEFAULT_LINES
    since: str | None = None
    until: str | None = None
    cursor: str | None = None
    before: str | None = None
