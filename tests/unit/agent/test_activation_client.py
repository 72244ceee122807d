from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from slave_agent.activation_client import ActivationClient
from slave_agent.errors import ActivationError
from slave_agent.helper_client import ask_helper
from slave_agent.models import AgentSettings, CommandResult
from slave_agent.process_runner import run
from slave_agent.settings import load_settings
from slave_agent.states import ActivationVerb
from tests.support.agent_process import write_settings


@contextmanager
def helper(path: Path, answer: bytes) -> Iterator[list[bytes]]:
    """A helper that gives one answer to each caller."""
    heard: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with listener.accept()[0] as caller:
                heard.append(caller.makefile("rb").readline())
                caller.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield heard
        thread.join()


def never(_command: Sequence[str], _timeout_seconds: float) -> CommandResult:
    raise AssertionError("no process was to be run")


@pytest.fixture
def settings(tmp_path: Path) -> AgentSettings:
    return load_settings(write_settings(tmp_path))


def test_the_helper_hears_one_verb(tmp_path: Path, settings: AgentSettings) -> None:
    path = tmp_path / "helper.sock"
    with helper(path, b'{"ok": true}\n') as heard:
        ActivationClient(replace(settings, helper_socket=path), never).ask(ActivationVerb.CONFIRM)
    assert [json.loads(line) for line in heard] == [{"verb": "confirm"}]


@pytest.mark.parametrize(
    "answer", [b"", b"\n", b"nonsense\n", b"[]\n", b'{"ok": false, "error": "no", "hint": "so"}\n']
)
def test_anything_but_yes_is_an_error(tmp_path: Path, answer: bytes) -> None:
    with helper(tmp_path / "helper.sock", answer), pytest.raises(ActivationError):
        ask_helper(tmp_path / "helper.sock", ActivationVerb.UNINSTALL)


def test_the_helpers_reason_is_told(tmp_path: Path) -> None:
    answer = b'{"ok": false, "error": "not now", "hint": "try later"}\n'
    with helper(tmp_path / "helper.sock", answer), pytest.raises(ActivationError, match="not now") as failure:
        ask_helper(tmp_path / "helper.sock", ActivationVerb.UNINSTALL)
    assert failure.value.hint == "try later"


def test_a_missing_helper_is_told(tmp_path: Path) -> None:
    with pytest.raises(ActivationError, match="there is no root helper"):
        ask_helper(tmp_path / "absent.sock", ActivationVerb.CONFIRM)


def test_a_silent_helper_is_given_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "helper.sock"))
        listener.listen()
        with pytest.raises(ActivationError, match="no answer within"):
            ask_helper(tmp_path / "helper.sock", ActivationVerb.CONFIRM, answer_seconds=0.1)


def test_without_a_helper_the_release_is_asked(settings: AgentSettings) -> None:
    ran: list[Sequence[str]] = []

    def fake(command: Sequence[str], _timeout_seconds: float) -> CommandResult:
        ran.append(command)
        return CommandResult(0, '{"phase": "confirmed"}\n', "")

    ActivationClient(settings, fake).ask(ActivationVerb.RETURN_TO_BOOTSTRAP)
    assert [list(command[-3:]) for command in ran] == [
        ["-I", str(settings.release_dir / "d8-activate"), "return-to-bootstrap"]
    ]


@pytest.mark.parametrize(
    ("result", "message", "hint"),
    [
        (CommandResult(1, '{"error": "no rights", "hint": "be root"}', "a warning"), "no rights", "be root"),
        (CommandResult(1, "", "Traceback\nKeyError: x"), "confirm failed: KeyError: x", "Try it by hand: "),
        (CommandResult(1, '{"healthy": true}', ""), 'confirm failed: {"healthy": true}', "Try it by hand: "),
        (CommandResult(3, "", ""), "confirm failed: exit code 3", "Try it by hand: "),
        (CommandResult(None, "", "it did not end within 60 s"), "confirm failed: it did not end", "Try it by hand: "),
        (CommandResult(0, "nonsense", ""), "the activation gave no answer that can be read", "Look at it with: "),
    ],
)
def test_a_failed_activation_is_told_once(
    settings: AgentSettings, result: CommandResult, message: str, hint: str
) -> None:
    with pytest.raises(ActivationError) as failure:
        ActivationClient(settings, lambda _command, _timeout: result).ask(ActivationVerb.CONFIRM)
    assert failure.value.message.startswith(message) and failure.value.message.count(message) == 1
    assert failure.value.hint.startswith(hint)


def test_a_real_process_is_run() -> None:
    assert run(["sh", "-c", "echo out; echo err >&2; exit 3"], 10) == CommandResult(3, "out\n", "err\n")
    assert run(["sleep", "10"], 0.05).exit_code is None
    assert "could not be started" in run(["/nowhere/at/all"], 1).stderr
