"""The root helper's door: who may ask, what may be asked, and that nobody can hold it open."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from slave_agent.activation.errors import ActivationError
from slave_agent.privileged import helper
from slave_agent.privileged.helper import Refused, answer_to, check_peer, peer_user, read_request
from slave_agent.privileged.verbs import VERBS


@pytest.fixture
def link() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_the_verbs_are_these() -> None:
    assert sorted(VERBS) == ["confirm", "ping", "return-to-bootstrap", "uninstall"]


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
    link[1].sendall(b"x" * 5000)
    with pytest.raises(Refused):
        read_request(link[0])


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


def _done() -> dict[str, Any]:
    return {"done": True}


def _failed() -> dict[str, Any]:
    raise ActivationError("it failed", "mend it")


def test_a_verb_answers_and_a_failed_one_says_why() -> None:
    verbs = {"do": _done, "fail": _failed}
    assert answer_to(b'{"verb": "do"}', verbs) == {"ok": True, "done": True}
    assert answer_to(b'{"verb": "fail"}', verbs) == {"ok": False, "error": "it failed", "hint": "mend it"}


@pytest.mark.parametrize(
    "request_line",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"verb": "rm"}',
        b'{"verb": ["do"]}',
        b'{"verb": "do", "more": 1}',
        b"\xff",
        json.dumps("do").encode(),
    ],
)
def test_anything_else_is_refused(request_line: bytes) -> None:
    with pytest.raises(Refused):
        answer_to(request_line, {"do": _done})
