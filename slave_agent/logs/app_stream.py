"""The log of one app as it is watched now: one follower, the newest entries, and a queue of frames for each filter."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from slave_agent.logs.errors import JournalUnreadable
from slave_agent.logs.filters import LogFilter
from slave_agent.logs.follower import Follower
from slave_agent.logs.frames import FrameQueue, Position
from slave_agent.logs.items import Item
from slave_agent.logs.past import Recent

FRAME_SECONDS = 0.05
RECENT_ITEMS = 1000
RECENT_BYTES = 1024 * 1024
QUEUE_BYTES = 8 * 1024 * 1024  # of all filters of an app together
SMALLEST_QUEUE_BYTES = 256 * 1024
UNDIVIDED_STREAMS = 4  # so many apps have all of it
QUEUE_ITEMS = 40_000

_log = logging.getLogger(__name__)


@dataclass
class Group:
    """The viewers that have the same filter."""

    queue: FrameQueue = field(default_factory=lambda: FrameQueue(QUEUE_BYTES, QUEUE_ITEMS))
    positions: dict[object, Position] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def announce(self) -> None:
        """Wake everybody who waits, once."""
        self.news.set()
        self.news = asyncio.Event()


class AppStream:
    """Given the follower, how to read the newest items of the past, how many streams share the memory with it, and the
    cursor after which the log begins: streams until `close`.
    """

    def __init__(
        self,
        follower: Follower,
        newest: Callable[[int], Awaitable[list[Item]]],
        streams: Callable[[], int] = lambda: 1,
        begin: str | None = None,
    ) -> None:
        self.groups: dict[LogFilter, Group] = {}
        self.end_reason: str | None = None
        self._follower = follower
        self._newest = newest
        self._streams = streams
        self._begin = begin
        self._recent: deque[Item] = deque()
        self._recent_bytes = 0
        self._recent_is_all = False
        self._pending: list[Item] = []
        self._flush: asyncio.TimerHandle | None = None
        self._flushed = 0.0
        self._is_ready = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def ready(self) -> None:
        """Return when the newest items of the past are known, or can't be."""
        await self._is_ready.wait()

    async def close(self) -> None:
        """End the follower; return when its process is gone."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        if self._flush is not None:
            self._flush.cancel()

    def join(self, viewer: object, log_filter: LogFilter) -> None:
        """Given a viewer and its filter, keep for it what comes from now on."""
        group = self.groups.setdefault(log_filter, Group())
        group.positions[viewer] = group.queue.end

    def leave(self, viewer: object, log_filter: LogFilter) -> None:
        """Given a viewer that may have joined, keep nothing for it any more."""
        group = self.groups.get(log_filter)
        if group is not None and group.positions.pop(viewer, None) is not None and not group.positions:
            del self.groups[log_filter]

    def recent(self) -> Recent:
        """The newest items; what comes after them goes to whoever has joined a group before anything else ran."""
        return Recent(tuple(self._recent), self._recent_is_all)

    def end(self, reason: str) -> None:
        """Given why nothing more comes, let all viewers know."""
        self.end_reason = self.end_reason or reason
        for group in self.groups.values():
            group.announce()

    async def _run(self) -> None:
        try:
            past = await self._newest(RECENT_ITEMS)
            self._recent_is_all = len(past) < RECENT_ITEMS
            self._remember(past)
            self._is_ready.set()
            await self._follower.follow(past[-1].cursor if past else self._begin, self._take)
        except JournalUnreadable as error:
            self.end(str(error.message))
        except Exception:
            _log.exception("following a log failed")
            self.end("the agent met an error that it did not expect; its log says more")
        finally:
            self._is_ready.set()

    def _take(self, items: Sequence[Item]) -> None:
        self._pending.extend(items)
        if self._flush is None:
            loop = asyncio.get_running_loop()
            self._flush = loop.call_at(max(loop.time(), self._flushed + FRAME_SECONDS), self._send_pending)

    def _send_pending(self) -> None:
        self._flush = None
        self._flushed = asyncio.get_running_loop().time()
        items, self._pending = self._pending, []
        self._remember(items)
        for log_filter, group in self.groups.items():
            wanted = items if log_filter.is_open else [item for item in items if log_filter.matches(item)]
            if wanted:
                most_bytes = share(QUEUE_BYTES, self._streams()) // len(self.groups)
                group.queue.most_characters = max(most_bytes, SMALLEST_QUEUE_BYTES)
                group.queue.forget_before(min(group.positions.values(), key=lambda position: position.frame))
                group.queue.append(wanted)
                group.announce()

    def _remember(self, items: Sequence[Item]) -> None:
        for item in items:
            self._recent.append(item)
            self._recent_bytes += item.size
        most_bytes = share(RECENT_BYTES, self._streams())
        while len(self._recent) > RECENT_ITEMS or (self._recent_bytes > most_bytes and self._recent):
            self._recent_bytes -= self._recent.popleft().size
            self._recent_is_all = False


def share(whole: int, streams: int) -> int:
    """Given what one app's stream may have in memory where few are watched, and how many are, return the share of one.
    Pure.
    """
    return whole * UNDIVIDED_STREAMS // max(streams, UNDIVIDED_STREAMS)
