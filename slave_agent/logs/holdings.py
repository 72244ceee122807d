"""Pieces of logs on their way to clients: how much of them there is at most, however many clients do not read.

Whoever wants to read the past of a log makes room first. Where there is none, what was there longest and has had its
time gives way: a viewer is told what it missed, a page is cut off.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from slave_agent.logs.errors import JournalUnreadable

MOST_BYTES = 32 * 1024 * 1024
GRACE_SECONDS = 5.0  # for a client to read what it asked for, before others need the room
PATIENCE_SECONDS = 20.0


class Holding:
    """Given how many bytes it may become, holds what one client is still to be sent."""

    def __init__(self, most_bytes: int, on_change: Callable[[], None]) -> None:
        self.size = most_bytes
        self.filled_at: float | None = None
        self.is_dropped = False
        self._pieces: deque[bytes] = deque()
        self._on_change = on_change

    def fill(self, pieces: Iterable[bytes], now: float) -> None:
        """Given all that the client is sent, and the time, hold it; the room that it does not need is others'."""
        self._pieces.extend(pieces)
        self._resize(sum(map(len, self._pieces)))
        self.filled_at = now

    def next(self) -> bytes | None:
        """Take the next piece out; None when there is no more, or when it had to give way."""
        if not self._pieces:
            return None
        piece = self._pieces.popleft()
        self._resize(self.size - len(piece))
        return piece

    def drop(self) -> None:
        """Give way."""
        self.is_dropped = self.is_dropped or bool(self._pieces)
        self._pieces.clear()
        self._resize(0)

    def _resize(self, size: int) -> None:
        self.size = size
        self._on_change()


class Holdings:
    """Given how much there is at most, and for how long a client may read undisturbed, all holdings of the agent."""

    def __init__(self, most_bytes: int = MOST_BYTES, grace_seconds: float = GRACE_SECONDS) -> None:
        self._most_bytes = most_bytes
        self._grace_seconds = grace_seconds
        self._all: set[Holding] = set()
        self._turn = asyncio.Lock()
        self._change = asyncio.Event()

    @property
    def size(self) -> int:
        """How many bytes there are, with those that are still being read."""
        return sum(one.size for one in self._all)

    @asynccontextmanager
    async def hold(self, most_bytes: int) -> AsyncIterator[Holding]:
        """Given how many bytes it may be, give a holding for as long as the block lasts, one after the other as they
        come. Raises JournalUnreadable if there is no room for 20 s.
        """
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._turn:
                await self._make_room(most_bytes)
                held = Holding(most_bytes, self._change.set)
                self._all.add(held)
        except TimeoutError as error:
            raise JournalUnreadable("too much of logs is on its way to others", "Try again in a moment.") from error
        try:
            yield held
        finally:
            self._all.discard(held)
            self._change.set()

    async def _make_room(self, wanted: int) -> None:
        loop = asyncio.get_running_loop()
        while self.size + wanted > self._most_bytes:
            filled = [(one.filled_at, one) for one in self._all if one.filled_at is not None and one.size]
            oldest = min(filled, key=lambda pair: pair[0], default=None)
            left = None if oldest is None else oldest[0] + self._grace_seconds - loop.time()
            if oldest is not None and left is not None and left <= 0:
                oldest[1].drop()
                continue
            self._change.clear()
            try:
                async with asyncio.timeout(left):
                    await self._change.wait()
            except TimeoutError:
                pass


def in_chunks(pieces: Iterable[bytes], chunk_bytes: int) -> Iterable[bytes]:
    """Given pieces, yield what they are together in chunks of about a size. Pure."""
    chunk = bytearray()
    for piece in pieces:
        chunk += piece
        if len(chunk) >= chunk_bytes:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)
