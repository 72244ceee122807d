"""PURE: from one look to the next, what is worth an event. An incident is told once when it has lasted, and once when
it is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from slave_agent.states import AppState
from slave_agent.systemd.states import UnitState

LOOKS_UNTIL_TOLD = 2


class SubjectKind(StrEnum):
    """What is watched: an app of ours, or a process that somebody chose."""

    APP = "app"
    PROCESS = "process"


class EventKind(StrEnum):
    """What happened to a subject."""

    CRASHED = "crashed"
    FAILED = "failed"
    ZOMBIE = "zombie"
    UNIT_MISSING = "unit-missing"
    RECORD_LOST = "record-lost"
    GONE = "gone"
    RESTARTED = "restarted"
    RECOVERED = "recovered"
    STOPPED = "stopped"


_ENDS = frozenset({EventKind.RECOVERED, EventKind.STOPPED})
_IN_BETWEEN = frozenset({AppState.STARTING, AppState.RESTARTING, AppState.STOPPING})


@dataclass(frozen=True)
class Observation:
    """One subject at one look. `restarts` is how often systemd has started it again by itself; `is_unit_lost` that its
    unit has no file any more, though it may run; `is_record_lost` that there is a unit of an app that is not written
    down.
    """

    subject: SubjectKind
    name: str
    status: AppState
    unit_state: UnitState
    is_found: bool
    pid: int | None = None
    restarts: int = 0
    detail: str = ""
    is_unit_lost: bool = False
    is_record_lost: bool = False


@dataclass(frozen=True)
class Memory:
    """What is remembered of a subject: the trouble of the last looks and for how many, the incident that was told,
    the restarts counted, and for how many looks nothing was restarted.
    """

    trouble: EventKind | None = None
    looks: int = 0
    told: EventKind | None = None
    restarts: int | None = None
    quiet_looks: int = 0


def trouble_of(now: Observation) -> EventKind | None:
    """Given an observation, return what is wrong, None where nothing is. A chosen process without any unit is no
    trouble while it runs.
    """
    has_unit = now.unit_state is not UnitState.NOT_FOUND
    if now.is_record_lost:
        return EventKind.RECORD_LOST
    if now.status is AppState.CRASHED:
        return EventKind.CRASHED
    if now.status is AppState.FAILED:
        return EventKind.FAILED
    if now.status is AppState.ZOMBIE and (has_unit or now.subject is SubjectKind.APP):
        return EventKind.ZOMBIE
    if not has_unit and not now.is_found:
        return EventKind.UNIT_MISSING if now.subject is SubjectKind.APP else EventKind.GONE
    if now.is_unit_lost and now.subject is SubjectKind.APP:
        return EventKind.UNIT_MISSING
    return None


def judge(
    before: Memory, now: Observation, looks_until_told: int = LOOKS_UNTIL_TOLD
) -> tuple[Memory, EventKind | None]:
    """Given what is remembered and what is seen now, return what to remember and what to tell, None for nothing."""
    trouble = trouble_of(now)
    has_restarted = before.restarts is not None and now.restarts > before.restarts
    after = replace(
        before,
        trouble=trouble,
        looks=before.looks + 1 if trouble is before.trouble else 1,
        restarts=now.restarts,
        quiet_looks=0 if has_restarted else before.quiet_looks + 1,
    )
    if (now.status in _IN_BETWEEN or now.unit_state is UnitState.UNKNOWN) and not has_restarted:
        return replace(after, looks=0), None
    if trouble is not None:
        is_new = trouble is not before.told and after.looks >= looks_until_told
        return (replace(after, told=trouble), trouble) if is_new else (after, None)
    if has_restarted:
        return (replace(after, told=EventKind.RESTARTED), None if before.told else EventKind.RESTARTED)
    if before.told is None or min(after.looks, after.quiet_looks) < looks_until_told:
        return after, None
    end = EventKind.STOPPED if now.status is AppState.STOPPED else EventKind.RECOVERED
    return replace(after, told=None), end


def told_before(events: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Memory]:
    """Given the events so far, return what to remember of each subject, so that a restart of the agent tells nothing
    twice.
    """
    found: dict[tuple[str, str], Memory] = {}
    for event in events:
        if event.get("kind") in list(EventKind):
            kind = EventKind(event["kind"])
            told = None if kind in _ENDS else kind
            found[str(event.get("type")), str(event.get("name"))] = Memory(told=told)
    return found
