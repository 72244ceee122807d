"""A line for each answered request, in the agent's log; whoever is not known fills nobody's disk with them."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from slave_agent.bootstrap.throttle import network_of

WINDOW_SECONDS = 60.0
LINES_PER_WINDOW = 10
EVERYBODYS = ("/api/health", "/login", "/static/")
_NETWORKS = 256

_log = logging.getLogger("slave_agent.access")


@dataclass(frozen=True)
class Answered:
    """One answered request: from where, by whom (None: nobody that is known), what, and how it ended."""

    address: str
    who: str | None
    method: str
    path: str
    status: int
    sent_bytes: int
    duration_ms: float


class AccessLog:
    """Strangers get ten lines a minute and network, and then a number of those that were left out. Who only asks for
    what is everybody's, and gets it, needs none: a guard or monitor the health, a browser the login and its files.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._strangers: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def record(self, answered: Answered) -> None:
        """Given an answered request, log it if it is worth a line."""
        left_out = 0
        if answered.who is None:
            if answered.status == 200 and answered.path.startswith(EVERYBODYS):
                return
            counted = self._left_out(network_of(answered.address))
            if counted is None:
                return
            left_out = counted
        _log.info(
            '%s %s "%s %s" %d %d B %.0f ms%s',
            answered.address,
            answered.who or "-",
            answered.method,
            answered.path,
            answered.status,
            answered.sent_bytes,
            answered.duration_ms,
            f", and {left_out} more from there before" if left_out else "",
        )

    def _left_out(self, network: str) -> int | None:
        """How many requests of a stranger were left out before this one; None where this one is, too."""
        with self._lock:
            now = self._monotonic()
            began, count = self._strangers.get(network, (now, 0))
            if now - began < WINDOW_SECONDS:
                self._strangers[network] = (began, count + 1)
                left_out = 0 if count < LINES_PER_WINDOW else None
            else:
                self._strangers[network] = (now, 1)
                self._strangers.move_to_end(network)
                left_out = max(0, count - LINES_PER_WINDOW)
            if len(self._strangers) > _NETWORKS:
                self._strangers.popitem(last=False)
            return left_out
