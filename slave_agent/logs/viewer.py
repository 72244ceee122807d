"""One viewer: first the past that it wants, then what comes; at most one frame in 50 ms. In memory are the past for as
long as there is room, and then its position in the frames of its filter.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable

from slave_agent.logs import items, past
from slave_agent.logs.app_stream import FRAME_SECONDS, AppStream
from slave_agent.logs.errors import JournalUnreadable
from slave_agent.logs.frames import array, frames_of
from slave_agent.logs.holdings import Holding, Holdings
from slave_agent.logs.log_request import LogRequest
from slave_agent.logs.past import Past
from slave_agent.systemd.cursors import is_later

CATCH_UP_SECONDS = 2.0

Sleep = Callable[[float], Awaitable[None]]


class Viewer:
    """Given the app's stream, its past, the room for what is on its way and what is wanted, gives the frames. `leave`
    when nobody reads them any more.
    """

    def __init__(
        self, stream: AppStream, past: Past, holdings: Holdings, request: LogRequest, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._stream = stream
        self._past = past
        self._holdings = holdings
        self._request = request
        self._sleep = sleep
        self._next_frame_at = 0.0

    async def frames(self) -> AsyncGenerator[str, None]:
        """Yield frames, each the text of a JSON array of items, the last one with an item `end`."""
        try:
            async with self._holdings.hold(past.LARGEST_BYTES) as held:
                skipped, counts = await self._begin(held)
                if skipped:
                    yield array([items.skipped(skipped)])
                while (frame := held.next()) is not None:
                    counts.popleft()
                    await self._pace()
                    yield array([frame.decode()])
                if held.is_dropped:
                    yield array([items.skipped(sum(counts))])
        except JournalUnreadable as error:
            yield array([items.end(error.message)])
            return
        group = self._stream.groups[self._request.filter]
        while True:
            news = group.news
            sending = group.queue.after(group.positions[self])
            if sending is not None:
                await self._pace()
                group.positions[self] = sending.position
                yield sending.text
            elif self._stream.end_reason is not None:
                yield array([items.end(self._stream.end_reason)])
                return
            else:
                await news.wait()

    def leave(self) -> None:
        """Be no viewer any more."""
        self._stream.leave(self, self._request.filter)

    async def _begin(self, held: Holding) -> tuple[int, deque[int]]:
        """Have the frames of the past held; return how many items are missing before, and how many are in each."""
        await self._stream.ready()
        if self._request.cursor is not None:
            await self._until_reached(self._request.cursor)
        recent = self._stream.recent()  # from here to join nothing else may run: what comes next goes to the queue
        self._stream.join(self, self._request.filter)
        backlog = await self._past.backlog(self._request, recent)
        frames = list(frames_of(backlog.items))
        held.fill([frame.text.encode("utf-8", "replace") for frame in frames], asyncio.get_running_loop().time())
        return backlog.skipped, deque(frame.count for frame in frames)

    async def _until_reached(self, cursor: str) -> None:
        """Whoever has read the journal may know a line that is still on its way here: it must not come twice."""
        deadline = asyncio.get_running_loop().time() + CATCH_UP_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            newest = self._stream.recent().items[-1:]
            if newest and not is_later(cursor, newest[0].cursor):
                return
            await self._sleep(FRAME_SECONDS)

    async def _pace(self) -> None:
        loop = asyncio.get_running_loop()
        if (wait := self._next_frame_at - loop.time()) > 0:
            await self._sleep(wait)
        self._next_frame_at = loop.time() + FRAME_SECONDS
