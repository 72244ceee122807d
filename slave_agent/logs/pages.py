"""A page of an app's log: read once, in one direction, with the cursors of the pages beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slave_agent.logs.items import Item
from slave_agent.logs.journal_reader import JournalReader
from slave_agent.logs.log_request import LogRequest
from slave_agent.systemd.journal import JournalQuery

MOST_CHARACTERS = 8 * 1024 * 1024


@dataclass(frozen=True)
class Page:
    """Entries, oldest first. `next_cursor`: there is more after it now; `previous_cursor`: there is more before it."""

    items: Sequence[Item]
    next_cursor: str | None = None
    previous_cursor: str | None = None


async def read_page(reader: JournalReader, unit: str, is_user: bool, request: LogRequest) -> Page:
    """Given the reader, a unit and what is wanted, return the page. Raises JournalUnreadable."""
    found: list[Item] = []
    size = 0
    has_more = False

    def take(item: Item) -> bool:
        nonlocal size, has_more
        if len(found) == request.lines or size >= MOST_CHARACTERS:
            has_more = True
            return False
        found.append(item)
        size += item.size
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
        cursor=request.cursor if is_forward else request.before,
        is_reversed=not is_forward,
    )
    await reader.past(query, take)
    if is_forward:
        return Page(found, next_cursor=found[-1].cursor if has_more else None)
    return Page(found[::-1], previous_cursor=found[-1].cursor if has_more else None)
