"""A master killed at every moment of a build: whatever was recorded, the resumed one runs exactly what is missing."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from d8.build import build_log
from d8.build.build_log import KEPT_OUTPUT, BuildLog
from d8.build.control import Control, Orders, Stopped, Wish
from d8.build.events import StepName
from d8.build.recorder import RemoteShell
from d8.build.recording import Recording, read_recording, unsettled
from d8.fleet.agent_client import Job, ProblemAnswer
from d8.masking import Masker
from d8.models import CommandState
from d8.shell import command

SECRET = "a-secret-of-the-master"


class Killed(BaseException):
    """kill -9: nothing is cleaned up."""


class SlaveInMemory:
    """Keeps jobs as the bootstrap does: an id is one job, which goes on when nobody looks. Counts what it ran.

    `kill_at` says before which request (from 0) the master dies.
    """

    def __init__(self):
        self.jobs, self.ran, self.files, self.uploads = {}, Counter(), {}, Counter()
        self.outputs = {}
        self.requests, self.kill_at = 0, None

    def _request(self):
        if self.requests == self.kill_at:
            raise Killed
        self.requests += 1

    def start_job(self, request):
        self._request()
        if request.id not in self.jobs:
            self.jobs[request.id] = request.command
            self.ran[request.command] += 1

    def job(self, job_id, offset, stderr_offset, wait):
        self._request()
        if job_id not in self.jobs:
            raise ProblemAnswer(404, "no such job", "")
        output = self.outputs.get(self.jobs[job_id], f"output of {self.jobs[job_id]}\n")
        return Job(job_id, "succeeded", 0, output[offset:], len(output), "", 0, 0.1)

    def cancel_job(self, job_id):
        self._request()
        if job_id not in self.jobs:
            raise ProblemAnswer(404, "no such job", "")
        return Job(job_id, "cancelled", None, "", 0, "", 0, 0.1)

    def upload(self, name, content):
        self._request()
        self.files[name] = content
        self.uploads[name] += 1
        return f"/uploads/{name}"


def open_log(folder: Path) -> tuple[BuildLog, Recording]:
    """The log as a resumed build opens it, or a new one."""
    for path in folder.glob("*.json"):
        document = json.loads(path.read_text())
        return BuildLog.reopen(path, document, Masker([SECRET])), read_recording(document)
    return BuildLog(folder, "s", "h", datetime.now(UTC), Masker([SECRET])), Recording()


def build(folder: Path, slave: SlaveInMemory, script: list[str]) -> list[str]:
    """Do what a build does: each word is a command; `+word` uploads it. Return the outputs."""
    log, recording = open_log(folder)
    log.step = StepName.STRATEGY
    shell = RemoteShell(slave, log, Masker([SECRET]), lambda _event: None, recording=recording)
    outputs = []
    for word in script:
        if word.startswith("+"):
            outputs.append(shell.upload(word[1:], word.encode()))
        else:
            outputs.append(shell.run(command(word), timeout_seconds=5).stdout)
    return outputs


def build_killed_at(folder: Path, slave: SlaveInMemory, script: list[str], moment: int) -> None:
    slave.kill_at = slave.requests + moment
    try:
        build(folder, slave, script)
    except Killed:
        pass
    slave.kill_at = None


SCRIPT = ["unpack", "+wheels", "venv", "install", "+psutil", "install", "check"]
REQUESTS = 17  # three a command, one an upload


@pytest.mark.parametrize("moment", range(REQUESTS + 3))
def test_killed_before_any_request_the_resumed_build_issues_exactly_the_missing_ones(tmp_path, moment):
    slave = SlaveInMemory()
    build_killed_at(tmp_path, slave, SCRIPT, moment)
    assert build(tmp_path, slave, SCRIPT) == build(tmp_path / "other", SlaveInMemory(), SCRIPT)
    assert slave.ran == Counter(word for word in SCRIPT if not word.startswith("+"))
    assert slave.uploads == {"wheels": 1, "psutil": 1}


@pytest.mark.parametrize("write", range(13))  # the first one, two a command, one an upload
def test_killed_before_any_write_of_the_log_nothing_runs_twice(tmp_path, monkeypatch, write):
    slave, written = SlaveInMemory(), []
    real = build_log.write_private

    def dying(path, content):
        if len(written) == write:
            raise Killed
        written.append(path)
        real(path, content)

    with monkeypatch.context() as first_master, pytest.raises(Killed):
        first_master.setattr(build_log, "write_private", dying)
        build(tmp_path, slave, SCRIPT)
    build(tmp_path, slave, SCRIPT)
    assert slave.ran == Counter(word for word in SCRIPT if not word.startswith("+"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    script=some.lists(some.sampled_from(["a", "b", "+x", "c"]), min_size=1, max_size=8),
    moments=some.lists(some.integers(0, 20), max_size=4),
)
def test_killed_any_number_of_times_every_command_runs_once(tmp_path_factory, script, moments):
    folder, slave = tmp_path_factory.mktemp("build"), SlaveInMemory()
    for moment in moments:
        build_killed_at(folder, slave, script, moment)
    build(folder, slave, script)
    assert slave.ran == Counter(word for word in script if not word.startswith("+"))


def test_from_the_first_difference_on_everything_runs_anew_and_the_old_job_is_cancelled(tmp_path):
    slave = SlaveInMemory()
    build_killed_at(tmp_path, slave, ["one", "two", "three"], 7)  # three was started, nobody has seen its end
    build(tmp_path, slave, ["one", "other", "three"])
    assert slave.ran == {"one": 1, "two": 1, "three": 2, "other": 1}
    [document] = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert [(one["command"], one["state"], one.get("superseded", False)) for one in document["commands"]] == [
        ("one", "succeeded", False),
        ("two", "succeeded", True),
        ("three", "cancelled", True),
        ("other", "succeeded", False),
        ("three", "succeeded", False),
    ]
    assert [one.command for one in read_recording(document).commands] == ["one", "other", "three"]


@pytest.mark.parametrize("output", ["x" * (KEPT_OUTPUT + 1), f"token {SECRET}\n"])
def test_a_result_that_was_cut_or_masked_is_asked_of_the_slave_again(tmp_path, output):
    slave = SlaveInMemory()
    slave.outputs["long"] = output
    first = build(tmp_path, slave, ["long", "next"])
    [document] = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert [one["whole"] for one in document["commands"]] == [False, True]
    assert build(tmp_path, slave, ["long", "next"]) == first
    assert slave.ran == {"long": 1, "next": 1}


def test_a_command_that_held_a_secret_is_never_taken_for_the_same(tmp_path):
    slave = SlaveInMemory()
    build(tmp_path, slave, [SECRET])
    build(tmp_path, slave, [SECRET])
    assert slave.ran == {SECRET: 2}


def test_a_job_that_was_lost_with_its_host_runs_again(tmp_path):
    slave = SlaveInMemory()
    build_killed_at(tmp_path, slave, ["one", "two"], 3)
    slave.job = _lost_once(slave.job)
    build(tmp_path, slave, ["one", "two"])
    assert slave.ran == {"one": 1, "two": 2}


def _lost_once(real):
    looks = []

    def job(job_id, offset, stderr_offset, wait):
        if not looks:
            looks.append(job_id)
        if job_id == looks[0]:
            return Job(job_id, "lost", None, "", 0, "", 0, 0.1)
        return real(job_id, offset, stderr_offset, wait)

    return job


def entry(step, attempt=0, state="succeeded", **more):
    return {
        "command": f"{step} {attempt}", "step": step, "attempt": attempt, "state": state, "replayable": True,
        "job_id": "j", "whole": True, "success": True, "stdout": "", "stderr": "", "exit_code": 0,
        "timestamp": "2026-01-01T10:00:00+00:00", "duration_seconds": 0.1, **more,
    }  # fmt: skip


def test_what_is_taken_from_a_log_is_the_preparation_and_the_attempt_that_was_not_over():
    document = {
        "commands": [
            entry("preflight"),
            entry("preflight", replayable=False),
            entry("source"),
            entry("strategy", 0),
            entry("activation", 0),
            entry("strategy", 1, superseded=True),
            entry("strategy", 1, "timed_out"),
            entry("activation", 1, "running"),
            entry(None),
        ],
        "attempts": [{"strategy": "venv", "success": False}],
    }
    recording = read_recording(document)
    assert [one.index for one in recording.commands] == [0, 2, 6]
    assert recording.commands[2].result and recording.commands[2].result.timed_out
    assert [one.index for one in unsettled(document, recording)] == [7]


def test_an_upload_that_is_not_there_any_more_is_sent_again():
    recording = Recording(uploads={"a": ("1", "/w/a"), "b": ("2", "/w/b")})
    recording.keep_uploads({"/w/a": "1", "/w/b": "other"})
    assert recording.path_of("a", "1") == "/w/a"
    assert recording.path_of("a", "new content") is None and recording.path_of("b", "2") is None


def test_an_order_is_noticed_between_two_requests_and_only_once_while_it_is_carried_out(tmp_path):
    orders = Orders()
    control = Control(orders)
    slave, (log, _) = SlaveInMemory(), open_log(tmp_path)
    shell = RemoteShell(slave, log, Masker(), lambda _event: None, control=control)
    orders.give(Wish.CANCEL)
    with pytest.raises(Stopped) as stopped:
        shell.run(command("one"), timeout_seconds=5)
    assert stopped.value.wish is Wish.CANCEL and slave.ran == {}
    control.accept(Wish.CANCEL)
    assert shell.run(command("cleaning up"), timeout_seconds=5).success
    orders.give(Wish.DETACH)
    with pytest.raises(Stopped):
        control.check()


def test_the_log_of_a_running_command_names_its_job_before_it_is_started(tmp_path):
    slave = SlaveInMemory()
    build_killed_at(tmp_path, slave, ["one"], 0)
    [document] = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    [one] = document["commands"]
    assert (one["state"], one["success"], len(one["job_id"])) == (CommandState.RUNNING, None, 16)
    assert slave.ran == {}
