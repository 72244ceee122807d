"""PURE: whether an app is up, from what systemd said of its unit before and says now."""

from __future__ import annotations

from enum import StrEnum

from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.states import UnitState

_RUNNING = frozenset({UnitState.ACTIVE, UnitState.RELOADING})
_ON_THE_WAY = frozenset({UnitState.ACTIVATING, UnitState.DEACTIVATING})


class Verdict(StrEnum):
    """What to make of a look at a unit."""

    UP = "up"
    ON_THE_WAY = "on the way"
    DOWN = "down"


def verdict(first: ServiceStatus | None, seen: ServiceStatus) -> Verdict:
    """Given the first look at which the app was up (None: not yet) and this one, return how it is.

    A restart in between is an end: systemd has counted one, or the main process is another. With a start by hand it
    begins to count anew.
    """
    if seen.state in _RUNNING and seen.pid:
        is_same = seen.restarts == 0 if first is None else (first.pid, first.restarts) == (seen.pid, seen.restarts)
        return Verdict.UP if is_same else Verdict.DOWN
    if seen.state in _ON_THE_WAY and first is None:
        return Verdict.ON_THE_WAY
    return Verdict.DOWN


def how_it_ended(status: ServiceStatus) -> str:
    """Given systemd's last word on a unit, return in words how its process ended."""
    if status.signal:
        return f"signal {status.signal}"
    if status.exit_code is not None:
        return f"exit code {status.exit_code}"
    return status.result or status.state.value
