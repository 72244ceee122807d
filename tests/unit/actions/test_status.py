"""How a slave's health answer is judged, and what the whole fleet's answer is worth."""

from __future__ import annotations

from typing import Any

import pytest

from d8.actions.status import SlaveState, SlaveStatus, fleet_exit_code, judge
from d8.errors import ExitCode
from tests.support.fakes import COMMIT, make_slave

HOST = {"machine_id": "a" * 32}


@pytest.mark.parametrize(
    ("health", "state"),
    [
        ({"mode": "agent", "commit": COMMIT, "host": HOST}, SlaveState.OK),
        ({"mode": "agent", "commit": COMMIT}, SlaveState.OK),
        ({"mode": "agent", "commit": "f" * 40, "host": HOST}, SlaveState.OTHER_COMMIT),
        ({"mode": "agent", "commit": None, "host": HOST}, SlaveState.OTHER_COMMIT),
        ({"mode": "bootstrap", "commit": None, "host": HOST}, SlaveState.BOOTSTRAP),
        ({"mode": "agent", "commit": COMMIT, "host": {"machine_id": "b" * 32}}, SlaveState.OTHER_MACHINE),
        ({"mode": "bootstrap", "host": {"machine_id": "b" * 32}}, SlaveState.OTHER_MACHINE),
        ({"mode": "toaster"}, SlaveState.UNKNOWN),
        ({}, SlaveState.UNKNOWN),
        ({"mode": "agent", "commit": 7, "host": "x"}, SlaveState.OTHER_COMMIT),
    ],
)
def test_a_health_answer_is_judged(health: dict[str, Any], state: SlaveState) -> None:
    status = judge(make_slave(), health, COMMIT, 0.012)
    assert status.state is state
    assert bool(status.advice) is (state is not SlaveState.OK)
    assert status.as_json()["latency_ms"] == 12.0


def test_without_a_commit_of_the_master_none_is_another() -> None:
    assert judge(make_slave(), {"mode": "agent", "commit": "f" * 40}, None, 0.0).state is SlaveState.OK


def test_what_a_reboot_would_end_is_told_with_the_remedy() -> None:
    slave = make_slave(survives_reboot=False, persistence_command="loginctl enable-linger pi")
    status = judge(slave, {"mode": "agent", "commit": COMMIT}, COMMIT, 0.0)
    assert status.state is SlaveState.OK and "loginctl enable-linger pi" in str(status.advice)


OK, OTHER, OFF = SlaveState.OK, SlaveState.OTHER_COMMIT, SlaveState.UNREACHABLE


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([], ExitCode.DONE),
        ([OK, OTHER], ExitCode.DONE),
        ([OK, OFF], ExitCode.PARTLY_DONE),
        ([OFF, SlaveState.REFUSED], ExitCode.UNREACHABLE),
        ([SlaveState.BOOTSTRAP], ExitCode.UNREACHABLE),
    ],
)
def test_the_fleet_in_one_number(states: list[SlaveState], code: ExitCode) -> None:
    assert fleet_exit_code([SlaveStatus(make_slave(), state) for state in states]) is code
