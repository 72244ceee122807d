"""Commands as jobs: live lines, masking, a link that goes away, results for the log."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest

from d8.build import recorder
from d8.build.build_log import BuildLog
from d8.build.command_failed import CommandFailed
from d8.build.events import CommandStarted, OutputLine
from d8.build.live_lines import LONGEST_LINE
from d8.build.recorder import RemoteShell
from d8.errors import SlaveUnreachable
from d8.fleet.agent_client import Job
from d8.masking import Masker
from d8.messages import message
from d8.shell import command

BUILD = Path(recorder.__file__).parent
SECRET = "ghp_secret12345"


class ScriptedClient:
    """A slave whose job answers are scripted: texts, or an exception for a lost link. Fails on anything unscripted."""

    def __init__(self, answers, state="succeeded", exit_code=0):
        self.answers = list(answers)
        self.state, self.exit_code = state, exit_code
        self.started = []
        self.sent = ""

    def start_job(self, request):
        self.started.append(request)

    def job(self, job_id, offset, stderr_offset, wait):
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            assert offset == len(self.sent.encode())
            self.sent += answer
            return Job(job_id, "running", None, answer, len(self.sent.encode()), "", 0, 0.1)
        return Job(job_id, self.state, self.exit_code, "", len(self.sent.encode()), "", 0, 1.5)


@pytest.fixture
def make(tmp_path):
    log = BuildLog(tmp_path, "s", "h", datetime.now(UTC), Masker([SECRET]))
    events = []
    now = [0.0]

    def shell(client):
        return RemoteShell(
            client,
            log,
            Masker([SECRET]),
            events.append,
            sleep=lambda seconds: now.__setitem__(0, now[0] + seconds),
            clock=lambda: now[0],
        )

    shell.log, shell.events, shell.now = log, events, now
    return shell


def test_output_arrives_as_whole_lines_and_ends_up_in_the_log(make):
    result = make(ScriptedClient(["one\ntw", "o\nthree"])).run(command("x"), timeout_seconds=5)
    assert [event.text for event in make.events if isinstance(event, OutputLine)] == ["one", "two", "three"]
    assert result.stdout == "one\ntwo\nthree"
    assert make.log.document["commands"][0]["stdout"] == "one\ntwo\nthree"


def test_a_secret_is_masked_in_command_lines_and_log_even_when_it_comes_in_pieces(make):
    client = ScriptedClient([f"a {SECRET[:5]}", f"{SECRET[5:]} b\n"])
    make(client).run(command("echo", SECRET), timeout_seconds=5)
    shown = [event.text for event in make.events if isinstance(event, OutputLine)]
    [started] = [event for event in make.events if isinstance(event, CommandStarted)]
    assert shown == ["a *** b"] and SECRET not in started.command
    assert SECRET not in make.log.path.read_text()
    assert client.started[0].command == f"echo {SECRET}"


def test_standard_input_is_never_recorded(make):
    make(ScriptedClient([])).run(command("cat"), timeout_seconds=5, stdin="private words")
    assert "private words" not in make.log.path.read_text()


def test_a_lost_link_is_waited_for_and_nothing_is_read_twice(make):
    gone = SlaveUnreachable("away")
    result = make(ScriptedClient(["a\n", gone, gone, "b\n"])).run(command("x"), timeout_seconds=5)
    assert result.stdout == "a\nb\n"


def test_a_link_that_stays_away_ends_the_build(make):
    with pytest.raises(SlaveUnreachable):
        make(ScriptedClient([SlaveUnreachable("away")] * 100)).run(command("x"), timeout_seconds=5)
    assert make.now[0] <= 61


def test_a_failed_command_that_had_to_work_is_told_with_its_last_words(make):
    client = ScriptedClient(["lots\nE: no space left\n"], state="failed", exit_code=100)
    with pytest.raises(CommandFailed) as caught:
        make(client).require(command("apt-get"), message("installing git"), timeout_seconds=5)
    assert str(caught.value) == "installing git failed: E: no space left (exit 100)"


def test_a_command_past_its_limit_is_told_as_such(make):
    with pytest.raises(CommandFailed, match=r"no end after 2 s"):
        make(ScriptedClient([], state="timed_out", exit_code=None)).require(
            command("sleep"), message("waiting"), timeout_seconds=2
        )


def test_the_log_is_private_and_whole_after_every_command(make):
    make(ScriptedClient(["x\n"])).run(command("x"), timeout_seconds=5)
    assert make.log.path.stat().st_mode & 0o777 == 0o600
    assert make.log.document["status"] == "running"


def test_a_line_without_end_is_told_in_pieces(make):
    make(ScriptedClient(["x" * 50_000] * 10)).run(command("x"), timeout_seconds=5)
    lines = [event.text for event in make.events if isinstance(event, OutputLine)]
    assert (
        sum(map(len, lines)) == 500_000
        and max(map(len, lines)) <= 2 * LONGEST_LINE
        and len(make.log.path.read_text()) < 80_000
    )


@pytest.mark.parametrize("path", sorted(BUILD.rglob("*.py")), ids=lambda path: path.name)
def test_every_command_of_a_build_is_shown_by_what_it_is_for(path: Path):
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    runs = [call for call in calls if ast.unparse(call.func).endswith("shell.run")]
    assert all("purpose" in {word.arg for word in call.keywords} for call in runs), [call.lineno for call in runs]
