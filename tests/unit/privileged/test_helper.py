"""The root helper's door: who may ask, what may be asked, and that nobody can hold it open."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from slave_agent.activation.errors import ActivationError
from slave_agent.privileged import helper
from slave_agent.privileged.helper import answer_to, check_peer, peer_user, read_request
from slave_agent.privileged.requests import LONGEST_REQUEST_BYTES, Refused, Verb
from slave_agent.privileged.verbs import VERBS
from slave_agent.systemd.errors import Busy, SystemdError
from slave_agent.systemd.errors import Refused as AppRefused
from slave_agent.systemd.service_config import FieldProblem


@pytest.fixture
def link() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_the_verbs_are_these() -> None:
    of_the_agent = ["confirm", "ping", "rescue", "return-to-bootstrap", "uninstall"]
    of_files = ["check", "forget-previous", "install-unit", "remove-unit", "restore-unit"]
    of_units = ["disable", "enable", "reset-failed", "restart", "start", "stop"]
    of_looks = ["installed", "look", "scan", "sudoers", "users"]
    of_releases = ["handover", "releases", "rollback", "update"]
    assert sorted(VERBS) == sorted([*of_the_agent, *of_files, *of_units, *of_looks, *of_releases])


def test_no_verb_takes_anything_but_a_name_a_document_an_upload_or_a_signed_order() -> None:
    fields = {name: kind for verb in VERBS.values() for name, kind in {**verb.required, **verb.optional}.items()}
    assert fields == {"name": str, "document": dict, "keep_environment": bool, "file": str, "order": str}


def test_the_kernel_says_who_asks(link: tuple[socket.socket, socket.socket]) -> None:
    assert peer_user(link[0]) == os.geteuid()


def test_strangers_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper, "find_agent_user", lambda: None)
    check_peer(0)
    with pytest.raises(Refused):
        check_peer(12345)


def test_a_request_is_one_line(link: tuple[socket.socket, socket.socket]) -> None:
    link[1].sendall(b'{"verb"')
    link[1].sendall(b': "ping"}\nmore')
    assert read_request(link[0]) == b'{"verb": "ping"}'


def test_a_request_without_end_is_refused(link: tuple[socket.socket, socket.socket]) -> None:
    sender = threading.Thread(target=_send, args=(link[1], b"x" * (LONGEST_REQUEST_BYTES + 1000)))
    sender.start()
    with pytest.raises(Refused):
        read_request(link[0])
    link[0].close()
    sender.join()


def _send(connection: socket.socket, text: bytes) -> None:
    with contextlib.suppress(OSError):
        connection.sendall(text)


def test_a_caller_who_hangs_up_is_refused(link: tuple[socket.socket, socket.socket]) -> None:
    link[1].shutdown(socket.SHUT_WR)
    with pytest.raises(Refused):
        read_request(link[0])


def test_a_silent_caller_is_sent_away(
    link: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helper, "READ_DEADLINE_SECONDS", 0.2)
    started = time.monotonic()
    with pytest.raises(Refused):
        read_request(link[0])
    assert time.monotonic() - started < 2


def _done(**fields: Any) -> dict[str, Any]:
    return {"done": fields}


def _raising(problem: Exception) -> Verb:
    def run() -> dict[str, Any]:
        raise problem

    return Verb(run)


VERBS_HERE = {
    "do": Verb(_done),
    "name": Verb(_done, {"name": str}),
    "document": Verb(_done, {"document": dict}, {"keep": bool}),
}


@pytest.mark.parametrize(
    ("request_line", "done"),
    [
        (b'{"verb": "do"}', {}),
        (b'{"verb": "name", "name": "x"}', {"name": "x"}),
        (b'{"verb": "document", "document": {}}', {"document": {}}),
        (b'{"verb": "document", "document": {"a": 1}, "keep": true}', {"document": {"a": 1}, "keep": True}),
    ],
)
def test_a_verb_gets_its_fields(request_line: bytes, done: dict[str, Any]) -> None:
    assert answer_to(request_line, VERBS_HERE) == {"ok": True, "done": done}


@pytest.mark.parametrize(
    ("problem", "answer"),
    [
        (ActivationError("it failed", "mend it"), {"kind": "failed", "error": "it failed", "hint": "mend it"}),
        (SystemdError("no", "so"), {"kind": "failed", "error": "no", "hint": "so"}),
        (Busy("wait", "again"), {"kind": "busy", "error": "wait", "hint": "again"}),
        (
            AppRefused("wrong", "put right", [FieldProblem("script", "is not there", "")]),
            {
                "kind": "refused",
                "error": "wrong",
                "hint": "put right",
                "problems": [{"field": "script", "message": "is not there", "hint": ""}],
            },
        ),
    ],
)
def test_a_verb_that_fails_says_why(problem: Exception, answer: dict[str, Any]) -> None:
    assert answer_to(b'{"verb": "fail"}', {"fail": _raising(problem)}) == {"ok": False, **answer}


def test_a_full_disk_is_an_answer() -> None:
    answer = answer_to(b'{"verb": "fail"}', {"fail": _raising(OSError(28, "No space left on device"))})
    assert answer["kind"] == "failed" and "No space left" in answer["error"]


def test_a_mistake_of_ours_is_an_answer_without_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    answer = answer_to(b'{"verb": "fail"}', {"fail": _raising(KeyError("secret"))})
    assert answer["kind"] == "failed" and "secret" not in json.dumps(answer)
    assert "secret" in capsys.readouterr().err


@pytest.mark.parametrize(
    "request_line",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"verb": "rm"}',
        b'{"verb": "edit", "name": "x"}',
        b'{"verb": "link", "name": "/tmp/x.service"}',
        b'{"verb": "set-property", "name": "x"}',
        b'{"verb": ["do"]}',
        b'{"verb": null}',
        b'{"verb": "do", "more": 1}',
        b'{"verb": "do", "name": "x"}',
        b'{"verb": "name"}',
        b'{"verb": "name", "name": 1}',
        b'{"verb": "name", "name": ["x"]}',
        b'{"verb": "name", "name": "x", "arguments": ["--force"]}',
        b'{"verb": "document", "document": "x"}',
        b'{"verb": "document", "document": {}, "keep": 1}',
        b'{"verb": "document", "document": {}, "keep": null}',
        b"\xff",
        b"[" * 100000,
        json.dumps("do").encode(),
    ],
)
def test_anything_else_is_refused(request_line: bytes) -> None:
    with pytest.raises(Refused):
        answer_to(request_line, VERBS_HERE)
