"""The table of process × systemd: the mission's rows, the rest, and nothing that reads as healthy by accident."""

from __future__ import annotations

import itertools

import pytest

from slave_agent.monitor.reconcile import reconcile
from slave_agent.states import AppState
from slave_agent.systemd.states import UnitState

MISSION = [
    (True, UnitState.ACTIVE, "running"),
    (False, UnitState.ACTIVE, "crashed"),
    (False, UnitState.FAILED, "failed"),
    (True, UnitState.INACTIVE, "zombie"),
]
OTHERS = [
    (False, UnitState.INACTIVE, "stopped"),
    (True, UnitState.FAILED, "zombie"),
    (True, UnitState.NOT_FOUND, "zombie"),
    (False, UnitState.NOT_FOUND, "unknown"),
    (False, UnitState.ACTIVATING, "starting"),
    (True, UnitState.ACTIVATING, "starting"),
    (False, UnitState.AUTO_RESTART, "restarting"),
    (True, UnitState.AUTO_RESTART, "restarting"),
    (False, UnitState.DEACTIVATING, "stopping"),
    (True, UnitState.DEACTIVATING, "stopping"),
    (True, UnitState.RELOADING, "running"),
    (False, UnitState.RELOADING, "crashed"),
    (True, UnitState.UNKNOWN, "unknown"),
    (False, UnitState.UNKNOWN, "unknown"),
]


@pytest.mark.parametrize(("is_found", "state", "expected"), MISSION + OTHERS)
def test_the_table(is_found: bool, state: UnitState, expected: str) -> None:
    assert reconcile(is_found, state) == expected


def test_the_cases_above_are_all_there_are() -> None:
    named = {(is_found, state) for is_found, state, _ in MISSION + OTHERS}
    assert named == set(itertools.product((True, False), UnitState))


def test_only_a_found_process_under_a_unit_that_is_up_is_running() -> None:
    running = {
        (is_found, state)
        for is_found, state in itertools.product((True, False), UnitState)
        if reconcile(is_found, state) is AppState.RUNNING
    }
    assert running == {(True, UnitState.ACTIVE), (True, UnitState.RELOADING)}
