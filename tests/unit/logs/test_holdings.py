"""Room for what is on its way to clients: given, given back, and taken from those who don't read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from slave_agent.logs import holdings
from slave_agent.logs.app_stream import share
from slave_agent.logs.errors import JournalUnreadable
from slave_agent.logs.holdings import Holding, Holdings, in_chunks

GRACE_SECONDS = 0.05


def run(act: Callable[[Holdings, AsyncExitStack], Awaitable[None]]) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            await act(Holdings(most_bytes=100, grace_seconds=GRACE_SECONDS), stack)

    asyncio.run(main())


def fill(held: Holding, *pieces: bytes) -> None:
    held.fill(pieces, asyncio.get_running_loop().time())


def test_what_is_not_needed_and_what_was_read_is_free_for_others() -> None:
    async def act(room: Holdings, stack: AsyncExitStack) -> None:
        held = await stack.enter_async_context(room.hold(100))
        fill(held, b"a" * 30, b"b" * 30)
        assert room.size == 60
        assert held.next() == b"a" * 30
        assert room.size == 30
        async with room.hold(70):
            assert room.size == 100
        assert (held.next(), held.next(), held.is_dropped, room.size) == (b"b" * 30, None, False, 0)

    run(act)


def test_who_has_not_read_in_time_gives_way_the_oldest_first() -> None:
    async def act(room: Holdings, stack: AsyncExitStack) -> None:
        first, second = [await stack.enter_async_context(room.hold(50)) for _ in range(2)]
        fill(first, b"1" * 50)
        fill(second, b"2" * 50)
        began = asyncio.get_running_loop().time()
        async with room.hold(50):
            assert asyncio.get_running_loop().time() - began >= GRACE_SECONDS * 0.9
        assert (first.is_dropped, first.next()) == (True, None)
        assert (second.is_dropped, second.next()) == (False, b"2" * 50)

    run(act)


def test_what_is_still_being_read_never_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdings, "PATIENCE_SECONDS", 0.2)

    async def act(room: Holdings, stack: AsyncExitStack) -> None:
        await stack.enter_async_context(room.hold(80))
        with pytest.raises(JournalUnreadable):
            await stack.enter_async_context(room.hold(50))
        assert room.size == 80

    run(act)


def test_pieces_are_sent_in_chunks() -> None:
    assert list(in_chunks([b"ab", b"cd", b"", b"efgh", b"i"], 3)) == [b"abcd", b"efgh", b"i"]
    assert list(in_chunks([], 3)) == []


def test_the_streams_of_many_apps_share_what_four_have() -> None:
    assert [share(100, streams) for streams in (1, 4, 8, 100)] == [100, 100, 50, 4]
