"""One operation on an app at a time, different apps side by side: one at work, one that waits, no more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from slave_agent.orchestrator.errors import TooSoon
from slave_agent.orchestrator.rate_limit import INTERVAL_SECONDS, RateLimit

_LONGEST_QUEUE = 2


class Turns:
    """Given the clock, in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._limit = RateLimit()
        self._guard = threading.Lock()
        self._queues: dict[str, tuple[threading.Lock, int]] = {}

    def claim(self, name: str) -> None:
        """Count an operation on an app. Raises TooSoon within a second of the one before."""
        with self._guard:
            seconds = self._limit.take(name, self._now())
        if seconds > 0:
            raise TooSoon(name, seconds)

    def is_taken(self, name: str) -> bool:
        """Whether somebody is at work on an app, or waits for it."""
        with self._guard:
            return name in self._queues

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """A block in which nobody else changes this app. Raises TooSoon where somebody waits for it already."""
        with self._guard:
            lock, waiting = self._queues.get(name, (threading.Lock(), 0))
            if waiting >= _LONGEST_QUEUE:
                raise TooSoon(name, INTERVAL_SECONDS)
            self._queues[name] = (lock, waiting + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, waiting = self._queues[name]
                if waiting > 1:
                    self._queues[name] = (lock, waiting - 1)
                else:
                    del self._queues[name]
