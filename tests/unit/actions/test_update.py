"""The wave of an update: the canary alone, then the others, none begun after as many failures as are allowed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from d8.actions import update as action
from d8.actions.status import SlaveState, SlaveStatus
from d8.actions.update import UpdateOutcome, UpdateState, update_exit_code, update_slaves
from d8.actions.versions import note_versions
from d8.actions.workplace import Workplace
from d8.build.release_bundle import ReleaseBundles
from d8.build.update import Tools
from d8.errors import BuildFailed, ExitCode, SlaveUnreachable
from d8.messages import Message
from d8.models import RequestStatus, Slave
from d8.source import Commit
from tests.support.fakes import COMMIT, make_settings, make_slave

NEW = "f" * 40
U, A, F, N = UpdateState.UPDATED, UpdateState.ALREADY, UpdateState.FAILED, UpdateState.NOT_BEGUN


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    made = Workplace(make_settings(tmp_path))
    yield made
    made.close()


class Wave:
    """Takes the place of the update of one slave: fails on the named ones, notes who begins and how many at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *failing: int, silent: int = -1) -> None:
        self.begun: list[str] = []
        self.most_at_once = 0
        running = 0
        lock = threading.Lock()
        wave = self

        class OneUpdate:
            def __init__(self, slave: Slave, _tools: Tools) -> None:
                self.slave = slave
                self.has_begun = False

            def update(self, _bundles: ReleaseBundles) -> bool:
                nonlocal running
                number = int(self.slave.address.rpartition(".")[2])
                if number == silent:
                    raise SlaveUnreachable("nobody is there")
                self.has_begun = True
                with lock:
                    wave.begun.append(self.slave.slave_id)
                    running += 1
                    wave.most_at_once = max(wave.most_at_once, running)
                try:
                    if number in failing:
                        raise BuildFailed("it does not work", "Look at it.")
                    return True
                finally:
                    with lock:
                        running -= 1

        monkeypatch.setattr(action, "SlaveUpdate", OneUpdate)
        monkeypatch.setattr(action, "master_commit", lambda: Commit(NEW, "main", False))


def tell(_slave: Slave, _words: Message) -> None:
    """Nobody listens."""


def states(workplace: Workplace, number: int, max_failures: int = 1, at_once: int = 1) -> list[UpdateState]:
    slaves = [make_slave(f"192.168.4.{index}") for index in range(number)]
    return [one.state for one in update_slaves(workplace, slaves, tell, max_failures, at_once)]


def test_all_go_well(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    wave = Wave(monkeypatch)
    assert states(workplace, 4, at_once=2) == [U, U, U, U]
    assert wave.begun[0].endswith("-0") and wave.most_at_once <= 2


def test_one_that_is_interrupted_is_told_and_recorded(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        has_begun = True

        def __init__(self, _slave: Slave, _tools: Tools) -> None:
            """Begun at once."""

        def update(self, _bundles: ReleaseBundles) -> bool:
            raise KeyboardInterrupt

    monkeypatch.setattr(action, "SlaveUpdate", Interrupted)
    monkeypatch.setattr(action, "master_commit", lambda: Commit(NEW, "main", False))
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        update_slaves(workplace, [make_slave(), make_slave("192.168.4.9")], lambda _, words: said.append(str(words)))
    assert len(said) == 1 and "goes back to it by itself" in said[0]
    assert [(deed.action, deed.result) for deed in workplace.registry.audit.newest(10)] == [("update", "unknown")]


def test_a_bad_canary_goes_alone_whatever_is_allowed(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    wave = Wave(monkeypatch, 0)
    assert states(workplace, 4, max_failures=3) == [F, N, N, N]
    assert len(wave.begun) == 1


@pytest.mark.parametrize(
    ("failing", "max_failures", "expected"),
    [
        ((2,), 1, [U, U, F, N, N]),
        ((2,), 2, [U, U, F, U, U]),
        ((1, 2), 2, [U, F, F, N, N]),
        ((1, 3), 2, [U, F, U, F, N]),
        ((4,), 1, [U, U, U, U, F]),
    ],
)
def test_none_is_begun_after_as_many_failures_as_are_allowed(
    workplace: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    failing: tuple[int, ...],
    max_failures: int,
    expected: list[UpdateState],
) -> None:
    Wave(monkeypatch, *failing)
    assert states(workplace, 5, max_failures) == expected


def test_a_slave_that_is_off_is_no_canary_and_stops_nobody(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    wave = Wave(monkeypatch, silent=0)
    assert states(workplace, 3) == [F, U, U]
    assert len(wave.begun) == 2
    Wave(monkeypatch, 1, silent=0)
    assert states(workplace, 4, max_failures=3) == [F, F, N, N]


def test_no_slaves_are_no_failure(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    Wave(monkeypatch)
    assert states(workplace, 0) == []


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        ([], ExitCode.DONE),
        ([U, A], ExitCode.DONE),
        ([U, F], ExitCode.PARTLY_DONE),
        ([A, N], ExitCode.PARTLY_DONE),
        ([F, N], ExitCode.FAILED),
    ],
)
def test_the_exit_code_says_how_many(ended: list[UpdateState], code: ExitCode) -> None:
    assert update_exit_code([UpdateOutcome(make_slave(), state) for state in ended]) is code


def test_one_slave_alone_gives_its_own_exit_code() -> None:
    refused = UpdateOutcome(make_slave(), F, exit_code=ExitCode.REFUSED)
    assert update_exit_code([refused]) is ExitCode.REFUSED


# --- slaves on different releases are one incident ---


def seen(number: int, state: SlaveState, commit: str = COMMIT) -> SlaveStatus:
    slave = make_slave(f"192.168.4.{number}", commit=commit)
    return SlaveStatus(slave, state, commit=None if state is SlaveState.UNREACHABLE else commit)


def open_requests(workplace: Workplace) -> list[str]:
    return [one.slave_id for one in workplace.registry.requests.all() if one.status is not RequestStatus.CLOSED]


def test_an_incident_is_told_once_and_closes_by_itself(workplace: Workplace) -> None:
    behind = [seen(1, SlaveState.OTHER_COMMIT), seen(2, SlaveState.OTHER_COMMIT), seen(3, SlaveState.OK, NEW)]
    opened = note_versions(workplace, behind, NEW)
    assert opened is not None and opened.status is RequestStatus.PENDING
    assert "slave-192-168-4-1" in opened.description and "slave-192-168-4-3" not in opened.description
    assert note_versions(workplace, behind, NEW) is None  # also when others fall behind meanwhile
    assert open_requests(workplace) == ["fleet"]
    note_versions(workplace, [seen(number, SlaveState.OK, NEW) for number in (1, 2, 3)], NEW)
    assert open_requests(workplace) == []
    assert note_versions(workplace, behind, NEW) is not None  # the next time it is another incident


def test_a_silent_slave_opens_no_incident_but_keeps_it_open(workplace: Workplace) -> None:
    assert note_versions(workplace, [seen(1, SlaveState.UNREACHABLE)], NEW) is None
    assert open_requests(workplace) == []
    note_versions(workplace, [seen(1, SlaveState.OTHER_COMMIT)], NEW)
    note_versions(workplace, [seen(1, SlaveState.UNREACHABLE)], NEW)
    assert open_requests(workplace) == ["fleet"]


def test_a_master_without_a_commit_compares_nothing(workplace: Workplace) -> None:
    assert note_versions(workplace, [seen(1, SlaveState.OTHER_COMMIT)], None) is None
