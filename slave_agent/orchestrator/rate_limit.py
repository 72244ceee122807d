"""PURE: one operation a second an app. Whoever calls brings the clock."""

from __future__ import annotations

INTERVAL_SECONDS = 1.0
_LONGEST_MEMORY = 1000


class RateLimit:
    """Remembers when each name last had its turn. Given the shortest time between two turns, in seconds."""

    def __init__(self, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._interval = interval_seconds
        self._last: dict[str, float] = {}

    def take(self, name: str, now: float) -> float:
        """Given a name and the time in seconds, take its turn and return 0.0; or return the seconds still to wait,
        and then nothing was taken.
        """
        last = self._last.get(name)
        if last is not None and (left := last + self._interval - now) > 0:
            return left
        if len(self._last) >= _LONGEST_MEMORY:
            self._forget(now)
        self._last[name] = now
        return 0.0

    def _forget(self, now: float) -> None:
        self._last = {name: last for name, last in self._last.items() if last + self._interval > now}
