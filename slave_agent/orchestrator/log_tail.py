"""The last lines of an app's log, read once. Following a log is logs/'s."""

from __future__ import annotations

import time
from collections.abc import Callable

from slave_agent.process_runner import Runner
from slave_agent.systemd.cursors import is_later
from slave_agent.systemd.journal import JournalEntry, JournalQuery, journalctl_argv, parse_entry
from slave_agent.systemd.service_config import unit_name

STATUS_LINES = 10
FAILURE_LINES = 20
_READ_SECONDS = 10.0
_SETTLE_SECONDS = 0.25
_SETTLE_LOOKS = 5


class LogTail:
    """Given how to run a process, whether units are a user's own, and how to sleep."""

    def __init__(self, run: Runner, is_user: bool, sleep: Callable[[float], None] = time.sleep) -> None:
        self._run = run
        self._is_user = is_user
        self._sleep = sleep

    def last(
        self, name: str, lines: int = STATUS_LINES, since: str | None = None, after: str | None = None
    ) -> tuple[str, ...]:
        """Given an app, return its last lines, oldest first; those since a moment (UTC, ISO), or after a cursor, only
        if one is given.

        Where the journal can't be read there are none: a log is no reason to fail.
        """
        entries = self._entries(JournalQuery(unit=unit_name(name), is_user=self._is_user, lines=lines, since=since))
        return tuple(entry.message for entry in entries if after is None or is_later(entry.cursor, after))

    def newest_cursor(self, name: str) -> str | None:
        """Given an app, return the cursor of the last entry of its unit, None where there is none that can be read."""
        entries = self._entries(JournalQuery(unit=unit_name(name), is_user=self._is_user, lines=1))
        return entries[-1].cursor if entries else None

    def _entries(self, query: JournalQuery) -> list[JournalEntry]:
        said = self._run(journalctl_argv(query), _READ_SECONDS).stdout
        return [entry for line in said.splitlines() if (entry := parse_entry(line)) is not None]

    def last_words(self, name: str, since: str) -> tuple[str, ...]:
        """The lines of an app that has just ended: looks again until no more come, for the journal lags behind."""
        seen = self.last(name, FAILURE_LINES, since)
        for _ in range(_SETTLE_LOOKS):
            self._sleep(_SETTLE_SECONDS)
            again = self.last(name, FAILURE_LINES, since)
            if again and again == seen:
                break
            seen = again
        return seen
