from __future__ import annotations

import pytest

from slave_agent.orchestrator.stability import Verdict, how_it_ended, verdict
from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.states import UnitState


def status(state: UnitState, pid: int | None = None, restarts: int = 0, **more: object) -> ServiceStatus:
    return ServiceStatus("d8-app-shop.service", state, pid=pid, restarts=restarts, **more)  # type: ignore[arg-type]


UP = status(UnitState.ACTIVE, 7)


@pytest.mark.parametrize(
    ("first", "seen", "expected"),
    [
        (None, UP, Verdict.UP),
        (UP, UP, Verdict.UP),
        (UP, status(UnitState.RELOADING, 7), Verdict.UP),
        (UP, status(UnitState.ACTIVE, 8), Verdict.DOWN),
        (UP, status(UnitState.ACTIVE, 7, 1), Verdict.DOWN),
        (None, status(UnitState.ACTIVE, 9, 1), Verdict.DOWN),
        (None, status(UnitState.ACTIVE), Verdict.DOWN),
        (None, status(UnitState.ACTIVATING), Verdict.ON_THE_WAY),
        (None, status(UnitState.DEACTIVATING), Verdict.ON_THE_WAY),
        (UP, status(UnitState.ACTIVATING), Verdict.DOWN),
        (UP, status(UnitState.DEACTIVATING, 7), Verdict.DOWN),
        (None, status(UnitState.AUTO_RESTART), Verdict.DOWN),
        (UP, status(UnitState.FAILED), Verdict.DOWN),
        (None, status(UnitState.INACTIVE), Verdict.DOWN),
        (UP, status(UnitState.INACTIVE), Verdict.DOWN),
        (None, status(UnitState.NOT_FOUND), Verdict.DOWN),
        (UP, status(UnitState.UNKNOWN), Verdict.DOWN),
    ],
)
def test_an_app_is_up_while_it_is_the_same_process(
    first: ServiceStatus | None, seen: ServiceStatus, expected: Verdict
) -> None:
    assert verdict(first, seen) is expected


def test_how_it_ended_is_told_in_words() -> None:
    assert how_it_ended(status(UnitState.FAILED, exit_code=3)) == "exit code 3"
    assert how_it_ended(status(UnitState.FAILED, signal="SIGSEGV")) == "signal SIGSEGV"
    assert how_it_ended(status(UnitState.INACTIVE, exit_code=0)) == "exit code 0"
    assert how_it_ended(status(UnitState.FAILED, result="resources")) == "resources"
