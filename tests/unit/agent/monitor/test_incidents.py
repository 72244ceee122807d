"""From looks to events: what lasts is told once, and once more when it is over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slave_agent.monitor.incidents import (
    EventKind,
    Memory,
    Observation,
    SubjectKind,
    judge,
    told_before,
    trouble_of,
)
from slave_agent.monitor.reconcile import reconcile
from slave_agent.systemd.states import UnitState

UP, DOWN = (True, UnitState.ACTIVE), (False, UnitState.INACTIVE)
CRASHED, FAILED = (False, UnitState.ACTIVE), (False, UnitState.FAILED)
ZOMBIE, BLIND = (True, UnitState.INACTIVE), (False, UnitState.UNKNOWN)
AGAIN = (False, UnitState.AUTO_RESTART)
UNMANAGED, ABSENT = (True, UnitState.NOT_FOUND), (False, UnitState.NOT_FOUND)
Look = tuple[bool, UnitState]


def seen(look: Look, restarts: int = 0, subject: SubjectKind = SubjectKind.APP) -> Observation:
    is_found, state = look
    return Observation(subject, "shop", reconcile(is_found, state), state, is_found, restarts=restarts)


def told(*looks: Observation) -> list[str]:
    """What is told of a sequence of looks."""
    memory, events = Memory(), []
    for look in looks:
        memory, event = judge(memory, look)
        events += [] if event is None else [event.value]
    return events


SEQUENCES: list[tuple[list[Look], list[str]]] = [
    ([UP] * 5, []),
    ([CRASHED], []),
    ([CRASHED] * 2, ["crashed"]),
    ([CRASHED] * 9, ["crashed"]),
    ([UP, CRASHED, UP, CRASHED, UP], []),
    ([CRASHED, CRASHED, UP], ["crashed"]),
    ([CRASHED, CRASHED, UP, UP, UP], ["crashed", "recovered"]),
    ([CRASHED, CRASHED, UP, CRASHED, CRASHED, CRASHED], ["crashed"]),
    ([CRASHED] * 3 + [UP] * 3 + [CRASHED] * 3, ["crashed", "recovered", "crashed"]),
    ([CRASHED] * 3 + [FAILED] * 3 + [UP] * 3, ["crashed", "failed", "recovered"]),
    ([CRASHED] * 3 + [DOWN] * 3, ["crashed", "stopped"]),
    ([ZOMBIE] * 3, ["zombie"]),
    ([ABSENT] * 3, ["unit-missing"]),
    ([BLIND] * 9, []),
    ([CRASHED] * 2 + [BLIND] * 9, ["crashed"]),
    ([FAILED] * 2 + [AGAIN] * 9, ["failed"]),
]


@pytest.mark.parametrize(("looks", "expected"), SEQUENCES)
def test_sequences(looks: list[Look], expected: list[str]) -> None:
    assert told(*map(seen, looks)) == expected


def test_an_app_that_systemd_keeps_restarting_is_one_incident() -> None:
    loop = [seen(UP, restarts) for restarts in range(10)]
    assert told(*loop) == ["restarted"]
    assert told(*loop, *[seen(UP, 9)] * 3) == ["restarted", "recovered"]
    assert told(*loop, *[seen(FAILED, 9)] * 3) == ["restarted", "failed"]


def test_restarts_seen_at_the_first_look_are_old_news() -> None:
    assert told(seen(UP, 7), seen(UP, 7)) == []


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        ([UNMANAGED] * 4, []),
        ([ABSENT] * 4, ["gone"]),
        ([UNMANAGED] + [ABSENT] * 3 + [UNMANAGED] * 3, ["gone", "recovered"]),
        ([UP] + [CRASHED] * 3, ["crashed"]),
        ([ZOMBIE] * 3, ["zombie"]),
        ([DOWN] * 3, []),
    ],
)
def test_chosen_processes(looks: list[Look], expected: list[str]) -> None:
    assert told(*(seen(look, subject=SubjectKind.PROCESS) for look in looks)) == expected


def test_an_incident_that_was_told_is_not_told_again_after_a_restart_of_the_agent() -> None:
    events = [
        {"type": "app", "name": "shop", "kind": "crashed"},
        {"type": "app", "name": "till", "kind": "failed"},
        {"type": "app", "name": "till", "kind": "recovered"},
        {"type": "app", "name": "odd", "kind": "from the future"},
    ]
    memories = told_before(events)
    assert memories["app", "shop"].told is EventKind.CRASHED
    assert memories["app", "till"].told is None
    memory, first = judge(memories["app", "shop"], seen(CRASHED))
    _, second = judge(memory, seen(CRASHED))
    assert (first, second) == (None, None)


def test_what_is_no_trouble() -> None:
    assert trouble_of(seen(UP)) is None
    assert trouble_of(seen(UNMANAGED)) is EventKind.ZOMBIE
    assert trouble_of(seen(UNMANAGED, subject=SubjectKind.PROCESS)) is None


def test_an_app_that_runs_without_its_unit_file_is_one_incident_until_the_file_is_back() -> None:
    running = seen(UP)
    lost = replace(running, is_unit_lost=True)
    assert told(running, lost, lost, lost, running, running, running) == ["unit-missing", "recovered"]
    assert told(*[replace(lost, subject=SubjectKind.PROCESS)] * 3) == []
