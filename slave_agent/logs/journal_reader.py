"""journalctl for one app: a piece of the past, or all that comes. Who gets the items is known elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Protocol

from slave_agent.logs.errors import JournalUnreadable
from slave_agent.logs.items import Item, item_of
from slave_agent.logs.lines import LONGEST_LINE_BYTES, LineSplitter
from slave_agent.models import CommandResult
from slave_agent.systemd.journal import INFO, JournalEntry, JournalQuery, journalctl_argv, parse_entry

PAST_SECONDS = 20.0
AT_ONCE = 2  # readings of the past at the same time; others wait their turn


class Output(Protocol):
    """A started process, as far as it is used here."""

    async def read(self) -> bytes:
        """Return the next piece of its output; nothing at its end."""

    async def end(self) -> CommandResult:
        """End it and return how it ended."""


StartReading = Callable[[Sequence[str]], Awaitable[Output]]


class JournalReader:
    """Given how to start a process whose output is read, reads the journal."""

    def __init__(self, start: StartReading) -> None:
        self._start = start
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def past(self, query: JournalQuery, take: Callable[[Item], bool]) -> None:
        """Given a query that ends by itself, give `take` its items in their order for as long as it wants more. Raises
        JournalUnreadable, also if it takes more than 20 s.
        """
        try:
            async with asyncio.timeout(PAST_SECONDS), self._turns, aclosing(self.batches(query)) as batches:
                async for batch in batches:
                    if not all(take(item) for item in batch):
                        return
        except TimeoutError as error:
            raise JournalUnreadable(
                f"reading the journal took longer than {PAST_SECONDS:.0f} s", "Ask for fewer lines or a shorter time."
            ) from error

    async def batches(self, query: JournalQuery) -> AsyncGenerator[list[Item], None]:
        """Given a query, yield its items as they come, many at a time; end the process whenever the caller stops.
        Raises JournalUnreadable if journalctl can't be started or ends with an error.
        """
        try:
            output = await self._start(journalctl_argv(query))
        except OSError as error:
            raise _unreadable(error.strerror or str(error)) from error
        splitter = LineSplitter()
        last: JournalEntry | None = None
        is_read = False
        try:
            while piece := await output.read():
                entries = [entry for line in splitter.feed(piece) if (entry := parse_entry(line)) is not None]
                last = entries[-1] if entries else last
                if left_out := splitter.take_left_out():
                    entries.append(last := _word_on_left_out(left_out, last))
                if entries:
                    yield [item_of(entry) for entry in entries]
            is_read = True
        finally:
            ended = await output.end()
            if is_read and not ended.success and not _has_only_found_nothing(query, ended):
                raise _unreadable(ended.stderr or f"exit code {ended.exit_code}")


def _has_only_found_nothing(query: JournalQuery, ended: CommandResult) -> bool:
    """With --grep, journalctl ends as grep does: with 1 where nothing matched."""
    return query.grep is not None and ended.exit_code == 1 and not ended.stderr


def _word_on_left_out(count: int, last: JournalEntry | None) -> JournalEntry:
    """In place of entries that are too long to be taken into memory. Its cursor is the one of the entry before."""
    message = f"{count} entries longer than {LONGEST_LINE_BYTES // 1024} KiB were left out"
    cursor, time = (last.cursor, last.time) if last else ("", "")
    return JournalEntry(cursor, time, priority=INFO, message=message, is_suppression=True)


def _unreadable(said: str) -> JournalUnreadable:
    return JournalUnreadable(
        f"journalctl could not read the journal: {said.splitlines()[0][:300]}",
        "See whether the agent's user is in the group systemd-journal: GET /api/permissions says what is missing.",
    )
