"""A master that is killed, stopped or sent away while it builds a real bootstrap on loopback, and one that goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.loopback_slave import LoopbackSlave, loopback_slave

INSTALLING = "uv pip install"
BUILD = ("--yes", "--strategy", "venv")
# The command line of a master that waits two seconds for a lost link, not a minute.
IMPATIENT = """
import sys
from d8.build import recorder
from d8.cli.main import main
recorder.LINK_PATIENCE_SECONDS = 2
sys.exit(main(sys.argv[1:]))
"""
Condition = Callable[[dict[str, Any]], bool]


@pytest.fixture
def slave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackSlave]:
    with loopback_slave(tmp_path, monkeypatch, holds_installing=True) as made:
        yield made


def is_installing(document: dict[str, Any]) -> bool:
    return any(one["state"] == "running" and INSTALLING in one["command"] for one in document["commands"])


def has_finished(count: int) -> Condition:
    return lambda document: sum(one["state"] == "succeeded" for one in document["commands"]) >= count


def start_until(slave: LoopbackSlave, condition: Condition, *words: str) -> subprocess.Popen[str]:
    """Start a build and return it as soon as its log is as wanted."""
    build = slave.master.start("build", slave.address, *BUILD, *words)
    slave.wait_for_log(condition)
    return build


def kill_when(slave: LoopbackSlave, condition: Condition) -> dict[str, Any]:
    """Kill the master of a build -9 as soon as its log is as wanted; return the log that it leaves."""
    build = start_until(slave, condition)
    build.kill()
    build.communicate()
    return slave.logs()[-1]


def go_on(slave: LoopbackSlave, *words: str) -> dict[str, Any]:
    """Build to the end, with nothing that holds installing up any more."""
    slave.let_installing_go_on()
    return dict(slave.master.json("build", slave.address, *BUILD, *words))


def assert_nothing_was_repeated(document: dict[str, Any]) -> None:
    """Every command of the preparation and the installation ran once, but for the question how the host is."""
    steps = ("prerequisites", "source", "strategy")
    counted = Counter(one["command"] for one in document["commands"] if one["step"] in steps)
    assert counted and set(counted.values()) == {1}, counted


def test_a_master_killed_in_the_middle_of_installing_goes_on_with_the_same_job(slave: LoopbackSlave) -> None:
    left = kill_when(slave, is_installing)
    assert left["status"] == "running"
    [interrupted] = [one for one in left["commands"] if one["state"] == "running"]

    document = go_on(slave, "--resume")

    assert document["status"] == "success" and len(document["resumed"]) == 1, document
    assert len(slave.logs()) == 1, "the same log goes on"
    [same] = [one for one in document["commands"] if one["command"] == interrupted["command"]]
    assert (same["job_id"], same["state"]) == (interrupted["job_id"], "succeeded")
    assert_nothing_was_repeated(document)


@pytest.mark.parametrize(
    "finished", [1, *(pytest.param(count, marks=pytest.mark.full) for count in (2, 3, 4, 5, 6, 7, 8))]
)
def test_a_master_killed_between_two_steps_goes_on_with_the_next(slave: LoopbackSlave, finished: int) -> None:
    slave.let_installing_go_on()
    left = kill_when(slave, has_finished(finished))
    document = go_on(slave, "--resume")
    assert document["status"] == "success"
    assert [one["job_id"] for one in document["commands"]][: len(left["commands"])] == [
        one["job_id"] for one in left["commands"]
    ]
    assert_nothing_was_repeated(document)


@pytest.mark.full
def test_a_master_killed_twice_goes_on_twice(slave: LoopbackSlave) -> None:
    kill_when(slave, has_finished(3))
    again = start_until(slave, is_installing, "--resume")
    again.kill()
    again.communicate()
    document = go_on(slave, "--resume")
    assert document["status"] == "success" and len(document["resumed"]) == 2
    assert_nothing_was_repeated(document)


def test_ctrl_c_without_a_terminal_ends_the_command_on_the_slave_and_removes_what_was_half_made(
    slave: LoopbackSlave,
) -> None:
    build = start_until(slave, is_installing, "--json")
    build.send_signal(signal.SIGINT)
    stdout, stderr = build.communicate(timeout=60)
    assert build.returncode == 1, stderr
    document = json.loads(stdout)
    assert document["status"] == "cancelled"
    [installing] = [one for one in document["commands"] if INSTALLING in one["command"]]
    assert installing["state"] == "cancelled"
    assert slave.server.get(f"/api/jobs/{installing['job_id']}").document["state"] == "cancelled"
    assert list(slave.home.glob(".local/share/d8-agent/opt/releases/*")) == []

    again = go_on(slave, "--resume")
    assert (again["status"], again["resumed"]) == ("success", [])


def test_a_polite_end_leaves_the_slave_working_and_says_how_to_go_on(slave: LoopbackSlave) -> None:
    build = start_until(slave, is_installing)
    build.send_signal(signal.SIGTERM)
    stdout, _ = build.communicate(timeout=60)
    assert build.returncode == 1
    assert f"start_d8.py build {slave.address} --resume" in stdout
    left = slave.logs()[-1]
    assert left["status"] == "detached"
    [running] = [one for one in left["commands"] if one["state"] == "running"]
    assert slave.server.get(f"/api/jobs/{running['job_id']}").document["state"] == "running"

    document = go_on(slave, "--resume")
    assert document["status"] == "success"
    assert_nothing_was_repeated(document)


@pytest.mark.parametrize("is_cancelled", [False, pytest.param(True, marks=pytest.mark.full)])
def test_a_link_that_stays_away_detaches_and_the_command_there_is_not_begun_a_second_time(
    slave: LoopbackSlave, is_cancelled: bool
) -> None:
    build = subprocess.Popen(
        [sys.executable, "-c", IMPATIENT, "build", slave.address, *BUILD, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=slave.master.environment,
        cwd=slave.master.checkout,
    )
    slave.wait_for_log(lambda document: is_installing(document) and slave.times_run(INSTALLING) == 1)
    slave.server.kill()
    if is_cancelled:  # which nobody hears there
        build.send_signal(signal.SIGINT)
    stdout, stderr = build.communicate(timeout=60)
    assert build.returncode == 3, stderr
    document = json.loads(stdout)
    assert (document["status"], document["attempts"], document["request"]) == ("detached", [], None)
    assert f"start_d8.py build {slave.address} --resume" in document["hint"]
    [running] = [one for one in document["commands"] if one["state"] == "running"]

    slave.server.restart()
    assert slave.server.get(f"/api/jobs/{running['job_id']}").document["state"] == "running"
    document = go_on(slave, "--resume")
    assert document["status"] == "success"
    assert_nothing_was_repeated(document)


@pytest.mark.full
def test_without_resume_the_job_of_the_dead_master_is_ended_first(slave: LoopbackSlave) -> None:
    kill_when(slave, is_installing)
    build = slave.master.start("build", slave.address, *BUILD, "--json")
    slave.wait_for_log(lambda _newest: slave.logs()[0]["status"] == "cancelled")
    slave.let_installing_go_on()
    document = json.loads(build.communicate(timeout=120)[0])
    assert (document["status"], document["resumed"]) == ("success", [])
    assert any("was not finished" in notice["text"] for notice in document["notices"])
    given_up = slave.logs()[0]
    assert given_up["status"] == "cancelled"
    assert [one["state"] for one in given_up["commands"] if INSTALLING in one["command"]] == ["cancelled"]


@pytest.mark.full
def test_another_commit_of_the_master_begins_anew_and_says_so(slave: LoopbackSlave) -> None:
    kill_when(slave, has_finished(3))
    slave.master.commit()
    document = go_on(slave, "--resume")
    assert (document["status"], document["resumed"]) == ("success", [])
    assert any("begun anew" in notice["text"] for notice in document["notices"])


def test_a_slave_that_is_being_built_is_not_built_a_second_time(slave: LoopbackSlave) -> None:
    build = start_until(slave, is_installing)
    refused = slave.master.json("build", slave.address, *BUILD, "--resume", expect=4)
    assert "works on" in refused["error"] and refused["commands"] == []
    by_name = f"localhost:{slave.server.port}"
    refused = slave.master.json("build", by_name, *BUILD, expect=4)
    assert f"works on {slave.address} already, which is the same machine as {by_name}" in refused["error"]
    assert [one["step"] for one in refused["steps"]] == ["connectivity", "preflight"]
    assert refused["request"] is None and refused["diagnosis"]["doc"].endswith("#build-in-progress")
    slave.let_installing_go_on()
    build.communicate(timeout=120)
    assert build.returncode == 0
