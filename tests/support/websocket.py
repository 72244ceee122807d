"""A WebSocket client for tests, used from one thread or several.

One event loop in a thread of its own does all reading and writing: the library's threaded client reads and writes a TLS
connection at the same time, which now and then breaks it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Data

Result = TypeVar("Result")
CALL_SECONDS = 120.0


class Viewer:
    """An open connection. Given what `connect` takes; raises what it raises."""

    def __init__(self, uri: str, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        try:
            self._connection: ClientConnection = self._call(_open(uri, options))
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def recv(self, timeout: float) -> Data:
        """Return the next message. Raises TimeoutError, ConnectionClosed."""
        return self._call(_bounded(self._connection.recv(), timeout))

    def send(self, text: str) -> None:
        """Send one message."""
        self._call(self._connection.send(text))

    def close(self) -> None:
        """Say goodbye and end the thread."""
        try:
            self._call(self._connection.close())
        finally:
            self._end()

    def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(CALL_SECONDS)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CALL_SECONDS)
        self._loop.close()


async def _open(uri: str, options: dict[str, Any]) -> ClientConnection:
    return await connect(uri, **options)


async def _bounded(work: Coroutine[Any, Any, Result], timeout: float) -> Result:
    async with asyncio.timeout(timeout):
        return await work
