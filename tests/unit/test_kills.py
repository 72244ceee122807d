"""The watch over a port that the tests of kills rely on: it sees silence, strangers and a kill that met nobody."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import kills
from tests.support.handover import NOBODY, Answered

OURS, STRANGERS = "ab" * 32, "cd" * 32
AGENT = Answered("agent", OURS, "a" * 40, 200)


def watched(monkeypatch: pytest.MonkeyPatch, answer: Answered, for_seconds: float = 0.3) -> kills.PortWatch:
    monkeypatch.setattr(kills, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(kills, "who_answers_at", lambda _address, _timeout: answer)
    host: Any = SimpleNamespace(address="192.0.2.1")
    with kills.PortWatch(host, {OURS}) as port:
        time.sleep(for_seconds)
    return port


def test_who_always_answers_was_never_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    watched(monkeypatch, AGENT).assert_nobody_was_locked_out(0.25)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (NOBODY, "locked out"),
        (Answered("agent", STRANGERS, "a" * 40, 200), "somebody else"),
        (Answered("stranger", OURS, None, 200), "somebody else"),
    ],
)
def test_nobody_and_a_stranger_are_seen(monkeypatch: pytest.MonkeyPatch, answer: Answered, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        watched(monkeypatch, answer).assert_nobody_was_locked_out(0.25)


def test_silence_counts_to_the_end_of_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    port = watched(monkeypatch, NOBODY, for_seconds=0.3)
    assert port.longest_silence_seconds >= 0.3


def test_a_kill_that_meets_nobody_is_a_failure() -> None:
    host: Any = SimpleNamespace(run=lambda *_words, **_options: SimpleNamespace(stdout="", stderr=""))
    with pytest.raises(AssertionError, match="nobody to kill"):
        kills.kill_9(host, "true", seconds=0)
