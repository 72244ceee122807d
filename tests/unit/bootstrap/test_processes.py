"""The process table and the decision about what a job left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from slave_agent.bootstrap.containment import control_group, keep_command, unit_command
from slave_agent.bootstrap.process_table import Process, descendants, parse_stat, read_environment, read_table
from slave_agent.bootstrap.sweep import Leftovers, end_processes, find_leftovers, has_dropped_tag

TAIL = " ".join(["0"] * 17)


@pytest.mark.parametrize("name", ["sleep", "a b", "x) S 1 (y", "((", ")"])
def test_names_of_processes_may_hold_anything(name: str) -> None:
    assert parse_stat(f"42 ({name}) R 7 {TAIL} 99 0 0") == Process(42, 7, "R", 99)


def table_of(*rows: tuple[int, int]) -> dict[int, Process]:
    return {pid: Process(pid, parent, "S", 1) for pid, parent in rows}


def test_descendants_are_all_below_and_not_oneself() -> None:
    table = table_of((1, 0), (10, 1), (11, 10), (12, 11), (20, 1))
    assert descendants(table, 10) == {11, 12}
    assert descendants(table, 12) == set()


def test_a_loop_in_a_torn_table_ends() -> None:
    assert descendants(table_of((10, 11), (11, 10)), 10) == {11}


def test_the_dead_are_not_in_the_table(tmp_path: Path) -> None:
    for pid, state in ((5, "Z"), (6, "S")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (x) {state} 1 {TAIL} 9")
    (tmp_path / "7").mkdir()
    (tmp_path / "sys").mkdir()
    assert set(read_table(tmp_path)) == {6}


def test_an_environment_is_read_as_bytes(tmp_path: Path) -> None:
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "environ").write_bytes(b"A=1\0B=x=y\xff\0C\0")
    assert read_environment(5, tmp_path) == {b"A": b"1", b"B": b"x=y\xff", b"C": b""}
    assert read_environment(6, tmp_path) is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (None, False),
        ({}, False),
        ({b"PATH": b"/bin", b"D8_JOB_TAG": b"j"}, False),
        ({b"PATH": b"/bin", b"D8_JOB_TAG": b"another"}, False),
        ({b"PATH": b"/bin"}, True),
        ({b"PATH": b"/bin", b"SUDO_COMMAND": b"/bin/sleep"}, False),
    ],
)
def test_only_a_readable_environment_without_the_tag_makes_a_service(
    environment: Mapping[bytes, bytes] | None, expected: bool
) -> None:
    assert has_dropped_tag(environment) is expected


def test_leftovers_are_family_members_and_the_tagged() -> None:
    table = table_of((100, 1), (101, 100), (102, 101), (103, 100), (200, 1), (201, 1), (202, 1))
    environments: dict[int, Mapping[bytes, bytes]] = {
        101: {b"D8_JOB_TAG": b"j"},
        103: {b"PATH": b"/bin"},
        200: {b"D8_JOB_TAG": b"j"},
        201: {b"D8_JOB_TAG": b"other"},
        202: {b"PATH": b"/bin"},
    }
    found = find_leftovers(table, 100, "j", {100, 202, 999}, environments.get)
    assert found == Leftovers(doomed={101, 102, 200}, kept={103, 202})


class Herd:
    """Processes that die of certain signals, and a clock that only waiting moves."""

    def __init__(self, *pids: int, stubborn: bool = False) -> None:
        self.alive = set(pids)
        self.stubborn = stubborn
        self.sent: list[tuple[int, int]] = []
        self.now = 0.0

    def find(self) -> set[int]:
        return set(self.alive)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now

    def send(self, pid: int, number: int) -> None:
        self.sent.append((pid, int(number)))
        if number == 9 or (number == 15 and not self.stubborn):
            self.alive.discard(pid)


def test_the_obedient_get_term_only() -> None:
    herd = Herd(1, 2)
    assert end_processes(herd.find, herd.wait, herd.send, herd.clock) == set()
    assert {number for _, number in herd.sent} == {15, 18}
    assert herd.now < 1


def test_the_stubborn_get_kill_after_five_seconds() -> None:
    herd = Herd(1, stubborn=True)
    assert end_processes(herd.find, herd.wait, herd.send, herd.clock) == set()
    assert (1, 9) in herd.sent
    assert 5 <= herd.now < 6


def test_what_can_not_be_ended_is_reported() -> None:
    herd = Herd(1)
    assert end_processes(herd.find, herd.wait, lambda *_: None, herd.clock) == {1}
    assert herd.now < 16


@pytest.mark.parametrize(
    ("memberships", "expected"),
    [
        ("0::/system.slice/d8-job-j.service\n", "unified/system.slice/d8-job-j.service"),
        ("4:memory:/x\n1:name=systemd:/system.slice/d8-job-j.service\n", "systemd/system.slice/d8-job-j.service"),
        ("0::/user.slice/session-1.scope\n", None),
        ("0::/system.slice/d8-job-jj.service\n", None),
    ],
)
def test_the_jobs_own_control_group(memberships: str, expected: str | None) -> None:
    group = control_group("j", memberships, Path("/none"))
    assert group == (None if expected is None else Path("/none") / expected)


def test_units_carry_no_secret_and_run_as_the_user() -> None:
    command = unit_command("j", ["python3", "server", "--run-job", "/jobs/j"], 1000, 1001)
    assert command[0] == "systemd-run"
    assert command[-5:] == ["--", "python3", "server", "--run-job", "/jobs/j"]
    assert {"--uid=1000", "--gid=1001", "--unit=d8-job-j.service", "--collect"} <= set(command)
    assert "KillMode=control-group" in command


def test_keeping_names_every_process() -> None:
    command = keep_command("j", [7, 8])
    assert command[-8:] == ["fail", "1", "PIDs", "au", "2", "7", "8", "0"]
    assert "d8-kept-j.scope" in command
