"""A page of an app's log: read once, in one direction, with the cursors of the pages beside it. Its entries are kept as
what the client is sent, and not as anything else besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from slave_agent.logs.items import LARGEST_ITEM_BYTES, Item
from slave_agent.logs.journal_reader import JournalReader
from slave_agent.logs.log_request import LogRequest
from slave_agent.systemd.cursors import is_later
from slave_agent.systemd.journal import JournalQuery

MOST_BYTES = 8 * 1024 * 1024
LARGEST_BYTES = MOST_BYTES + LARGEST_ITEM_BYTES  # the last entry may go beyond


@dataclass(frozen=True)
class Page:
    """Entries, oldest first. `next_cursor`: there is more after it now; `previous_cursor`: there is more before it."""

    entries: Sequence[bytes]
    next_cursor: str | None = None
    previous_cursor: str | None = None


Render = Callable[[Item], bytes]


class Rendering(Protocol):
    """How a page is written."""

    def entry(self, item: Item) -> bytes:
        """What is sent of an item."""

    def whole(self, page: Page) -> Iterable[bytes]:
        """All that is sent of a page, in pieces."""


async def read_page(
    reader: JournalReader, unit: str, is_user: bool, request: LogRequest, render: Render, begin: str | None = None
) -> Page:
    """Given the reader, a unit, what is wanted, what a client is sent of an item, and the cursor after which the log
    begins (None: with the first line), return the page. Raises JournalUnreadable.
    """
    found: list[bytes] = []
    size = 0
    last_cursor = ""
    has_more = False

    def take(item: Item) -> bool:
        nonlocal size, has_more, last_cursor
        if begin is not None and not is_later(item.cursor, begin):
            return is_forward
        if len(found) == request.lines or size >= MOST_BYTES:
            has_more = True
            return False
        found.append(render(item))
        size += len(found[-1])
        last_cursor = item.cursor
        return True

    is_forward = request.cursor is not None
    query = JournalQuery(
        unit,
        is_user,
        lines=request.lines + 1,
        since=request.since,
        until=request.until,
        priority=request.filter.priority,
        grep=request.filter.text,
        cursor=_begun(request.cursor, begin) if is_forward else request.before,
        is_reversed=not is_forward,
    )
    await reader.past(query, take)
    if is_forward:
        return Page(found, next_cursor=last_cursor if has_more else None)
    return Page(found[::-1], previous_cursor=last_cursor if has_more else None)


def _begun(cursor: str | None, begin: str | None) -> str | None:
    """The later one of the two, so that no page is full of what is not shown."""
    return begin if cursor is not None and begin is not None and not is_later(cursor, begin) else cursor
