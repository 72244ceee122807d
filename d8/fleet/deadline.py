"""Connections whose read timeout holds for a whole answer: its status, its headers and its body together.

A socket's own timeout begins anew with every byte, so a server that drips could hold its caller for ever.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    import socket

Clock = Callable[[], float]


class DeadlineAdapter(HTTPAdapter):
    """Given a clock in seconds: every read timeout of its requests is the time for the whole answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pool, with connections that keep to the deadline."""
        super().init_poolmanager(*arguments, **options)
        answers = _answers_by(self._clock)

        class Plain(HTTPConnection):
            response_class = answers

        class Secure(HTTPSConnection):
            response_class = answers

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


def _answers_by(clock: Clock) -> Any:
    answer: Any = HTTPConnection.response_class

    def begin(connection: socket.socket, *arguments: Any, **options: Any) -> Any:
        """Called when the request is sent and the socket has the read timeout of this one request."""
        return answer(_TimedSocket(connection, clock), *arguments, **options)

    return staticmethod(begin)


class _TimedSocket:
    """A socket as a response sees it: something to make a file of."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        self._connection, self._clock = connection, clock

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return the answer as a file."""
        return io.BufferedReader(_TimedFile(self._connection, self._clock))


class _TimedFile(io.RawIOBase):
    """Reads from a socket until the timeout that it has now is over."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        self._connection, self._clock = connection, clock
        self._file = connection.makefile("rb", buffering=0)
        seconds = connection.gettimeout()
        self._seconds, self._deadline = seconds, None if seconds is None else clock() + seconds

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what has come. Raises TimeoutError when the time for the whole is over."""
        if self._deadline is None:
            return self._file.readinto(buffer)
        left = self._deadline - self._clock()
        if left <= 0:
            raise TimeoutError("timed out")
        self._connection.settimeout(left)
        try:
            return self._file.readinto(buffer)
        finally:
            self._connection.settimeout(self._seconds)  # the next request goes over the same connection

    def close(self) -> None:
        """Give the socket back."""
        self._file.close()
        super().close()
