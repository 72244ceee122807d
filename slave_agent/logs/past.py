"""What a viewer is shown of the past: from the newest items that are in memory anyway, else from the journal before
them. No gap and no double: the journal is read backwards from the oldest item in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from slave_agent.logs.items import LARGEST_ITEM_BYTES, Item
from slave_agent.logs.journal_reader import JournalReader
from slave_agent.logs.log_request import MOST_LINES, LogRequest
from slave_agent.systemd.cursors import is_later
from slave_agent.systemd.journal import JournalQuery

MOST_BYTES = 4 * 1024 * 1024
LARGEST_BYTES = MOST_BYTES + LARGEST_ITEM_BYTES  # the last item may go beyond
FARTHEST_ITEMS = 50_000  # how far back a cursor is looked for


@dataclass(frozen=True)
class Recent:
    """The newest items, oldest first, and whether there are none before them."""

    items: tuple[Item, ...]
    is_all: bool


@dataclass(frozen=True)
class Backlog:
    """Items of the past, oldest first, and how many after the viewer's cursor had to be left out before them."""

    items: Sequence[Item]
    skipped: int = 0


class Collected:
    """Items as they are read backwards, up to limits, and none up to the cursor `begin`. With a cursor in the request,
    those beyond the limits are counted until it is reached.
    """

    def __init__(self, request: LogRequest, begin: str | None = None) -> None:
        self.newest_first: list[Item] = []
        self.left_out = 0
        self._request = request
        self._begin = begin
        self._most_items = request.lines if request.cursor is None else MOST_LINES
        self._bytes = 0
        self._seen = 0

    @property
    def is_full(self) -> bool:
        """Whether no more is kept."""
        return len(self.newest_first) >= self._most_items or self._bytes >= MOST_BYTES

    def take(self, item: Item) -> bool:
        """Given the next older item, keep or count it. Return whether more is wanted."""
        if self._is_before_the_first(item):
            return False
        self._seen += 1
        if self._request.filter.matches(item):
            if self.is_full:
                self.left_out += 1
            else:
                self.newest_first.append(item)
                self._bytes += item.size
        return not self.is_full if self._request.cursor is None else self._seen < FARTHEST_ITEMS

    def _is_before_the_first(self, item: Item) -> bool:
        if self._begin is not None and not is_later(item.cursor, self._begin):
            return True
        if self._request.cursor is not None and not is_later(item.cursor, self._request.cursor):
            return True
        return self._request.since is not None and item.entry.time < self._request.since


class Past:
    """Given the reader, the unit, whether it is a user's, and the cursor after which its log begins (None: with the
    first line), finds the past of one app.
    """

    def __init__(self, reader: JournalReader, unit: str, is_user: bool, begin: str | None = None) -> None:
        self._reader = reader
        self._begin = begin
        self._everything = JournalQuery(unit, is_user, is_reversed=True)

    async def newest(self, count: int) -> list[Item]:
        """The newest items, oldest first. Raises JournalUnreadable."""
        collected = Collected(LogRequest(lines=count), self._begin)
        await self._reader.past(replace(self._everything, lines=count), collected.take)
        return collected.newest_first[::-1]

    async def backlog(self, request: LogRequest, recent: Recent) -> Backlog:
        """Given what a viewer wants and what is in memory, return what it is shown first. Raises JournalUnreadable."""
        collected = Collected(request, self._begin)
        wants_more = request.cursor is not None or not collected.is_full
        for item in reversed(recent.items):
            if wants_more:
                wants_more = collected.take(item)
        if wants_more and recent.items and not recent.is_all:
            await self._reader.past(self._before(recent.items[0].cursor, request), collected.take)
        return Backlog(collected.newest_first[::-1], collected.left_out)

    def _before(self, cursor: str, request: LogRequest) -> JournalQuery:
        """Everything before the oldest item in memory. On the way to a cursor nothing is filtered out, or it might be
        passed unseen.
        """
        if request.cursor is not None:
            return replace(self._everything, cursor=cursor)
        wanted = request.filter
        return replace(self._everything, cursor=cursor, since=request.since, priority=wanted.priority, grep=wanted.text)
