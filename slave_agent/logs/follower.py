"""All that comes of one app's log, without gap or double across deaths of journalctl."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing

from slave_agent.logs.errors import JournalUnreadable
from slave_agent.logs.items import Item
from slave_agent.logs.journal_reader import JournalReader
from slave_agent.systemd.journal import JournalQuery

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
DEATHS_IN_A_ROW = 6

_log = logging.getLogger(__name__)
Sleep = Callable[[float], Awaitable[None]]


def pauses() -> Iterator[float]:
    """Yield the seconds to wait before each new start: doubling, up to half a minute, until it is given up."""
    for number in range(DEATHS_IN_A_ROW - 1):
        yield min(FIRST_PAUSE_SECONDS * 2**number, LONGEST_PAUSE_SECONDS)


class Follower:
    """Given a reader, the unit and whether it is a user's, follows its log: one journalctl at a time."""

    def __init__(self, reader: JournalReader, unit: str, is_user: bool, sleep: Sleep = asyncio.sleep) -> None:
        self._reader = reader
        self._unit = unit
        self._is_user = is_user
        self._sleep = sleep

    async def follow(self, cursor: str | None, take: Callable[[Sequence[Item]], None]) -> None:
        """Give `take` everything after the cursor (None: everything there is), as it comes, until cancelled. Raises
        JournalUnreadable when journalctl has died six times in a row without a line between.
        """
        left = pauses()
        while True:
            died: JournalUnreadable | None = None
            query = JournalQuery(self._unit, self._is_user, cursor=cursor, follow=True)
            try:
                async with aclosing(self._reader.batches(query)) as batches:
                    async for batch in batches:
                        take(batch)
                        cursor = batch[-1].cursor or cursor
                        left = pauses()
            except JournalUnreadable as error:
                died = error
            pause = next(left, None)
            if pause is None:
                raise died or JournalUnreadable("journalctl ends again and again", "Look at the journal of this slave.")
            why = died.message if died else "without an error"
            _log.warning("journalctl for %s ended (%s); again in %g s", self._unit, why, pause)
            await self._sleep(pause)
