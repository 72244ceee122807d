"""Which connections may stay: a bounded number, with room kept for whoever has something to say.

Silent clients are the first to go, so that health answers whatever they do.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import Iterable, Iterator

from slave_agent.bootstrap.errors import TooBusy
from slave_agent.bootstrap.throttle import network_of

MOST_CONNECTIONS = 320
MOST_BUSY = 128


class Connection:
    """One accepted socket. It is idle until it has sent a whole request, and while its request is answered it
    is busy.
    """

    def __init__(self, raw: socket.socket, address: str) -> None:
        self.raw = raw
        self.address = address
        self.network = network_of(address)
        self.idle_since: float | None = time.monotonic()

    def hang_up(self) -> None:
        """End the connection from another thread; the one that serves it notices at once."""
        try:
            socket.socket.shutdown(self.raw, socket.SHUT_RDWR)  # an SSLSocket would forget its keys first
        except OSError:
            pass


def choose_victim(connections: Iterable[Connection]) -> Connection | None:
    """Return the connection that makes room: of the address with the most idle ones, the one that is idle longest."""
    idle = [connection for connection in connections if connection.idle_since is not None]
    crowd = Counter(connection.network for connection in idle)
    return min(idle, key=lambda one: (-crowd[one.network], one.idle_since), default=None)


class Admission:
    """Keeps count of the connections of one server."""

    def __init__(self, most_connections: int = MOST_CONNECTIONS, most_busy: int = MOST_BUSY) -> None:
        self._most_connections = most_connections
        self._most_busy = most_busy
        self._lock = threading.Lock()
        self._open: set[Connection] = set()
        self._busy = 0

    def admit(self, connection: Connection) -> bool:
        """Take a connection in; if need be, another one has to go. False where all the others are at work."""
        with self._lock:
            victim = choose_victim(self._open) if len(self._open) >= self._most_connections else None
            if victim is not None:
                self._open.discard(victim)
                victim.hang_up()
            if len(self._open) >= self._most_connections:
                return False
            self._open.add(connection)
            return True

    def release(self, connection: Connection) -> None:
        """The connection is closed."""
        with self._lock:
            self._open.discard(connection)

    @contextmanager
    def answering(self, connection: Connection) -> Iterator[None]:
        """From the last byte of a request's head to the last byte of its reply a connection is not idle."""
        connection.idle_since = None
        try:
            yield
        finally:
            connection.idle_since = time.monotonic()

    @contextmanager
    def waiting_room(self) -> Iterator[None]:
        """Count a request that may wait for long. Raises TooBusy when too many do."""
        with self._lock:
            if self._busy >= self._most_busy:
                raise TooBusy("Too many requests are waiting.", "Try again in a few seconds.")
            self._busy += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1

    def has_work(self) -> bool:
        """Whether a request is being answered."""
        with self._lock:
            return any(connection.idle_since is None for connection in self._open)

    def hang_up_all(self) -> None:
        """End all connections: the server stops."""
        with self._lock:
            for connection in self._open:
                connection.hang_up()
