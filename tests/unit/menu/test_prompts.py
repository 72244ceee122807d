"""Questions: yes and no in both languages, answers that are checked, plain lines for plain terminals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from d8.errors import UsageError
from d8.fleet.names import parse_address
from d8.menu.conversation import Conversation
from d8.menu.prompts import Choice, PlainPrompts, TerminalPrompts, prompts_for_terminal, understood
from d8.menu.views.screen import Screen
from d8.messages import message

QUESTION = message("Build {address} now?", address="pi")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("s", True), ("S", True), ("si", True), ("sí", True), ("SÍ", True), ("y", True), ("yes", True), (" y ", True),
        ("n", False), ("no", False), ("", False), ("x", None), ("yess", None), ("0", None),
    ],
)  # fmt: skip
def test_yes_and_no_are_understood_in_both_languages(typed: str, meant: bool | None) -> None:
    assert understood(typed) is meant


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        yield pipe


@pytest.mark.parametrize(("typed", "meant"), [("s\r", True), ("y\r", True), ("\r", False), ("x\r\x7fsí\r", True)])
def test_confirming_with_keys(keys: PipeInput, typed: str, meant: bool) -> None:
    keys.send_text(typed)
    assert TerminalPrompts(str).confirm(QUESTION) is meant


def test_a_bad_answer_is_explained_and_can_be_corrected(keys: PipeInput, capsys: pytest.CaptureFixture[str]) -> None:
    keys.send_text("not an address\r\x01\x0b192.168.4.25\r")
    assert TerminalPrompts(str).text(QUESTION, "", parse_address) == "192.168.4.25"
    assert "'not an address' is not an address" in capsys.readouterr().out


def test_the_default_is_one_enter_away(keys: PipeInput) -> None:
    keys.send_text("\r")
    assert TerminalPrompts(str).text(QUESTION, "192.168.4.25", parse_address) == "192.168.4.25"


def test_ctrl_c_in_a_question_is_an_interruption(keys: PipeInput) -> None:
    keys.send_text("\x03")
    with pytest.raises(KeyboardInterrupt):
        TerminalPrompts(str).confirm(QUESTION)


def plain(*answers: str) -> PlainPrompts:
    waiting = list(answers)
    return PlainPrompts(str, lambda _question: waiting.pop(0))


def test_plain_lines_choose_by_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert plain("5", "", "11").choose("title", [Choice(11, "build"), Choice(0, "exit")]) == 11
    assert "There is no option 5." in capsys.readouterr().out


def test_plain_lines_take_the_default_and_check_answers() -> None:
    assert plain("").text(QUESTION, "pi.local", parse_address) == "pi.local"
    assert plain("a b", "10.0.0.1").text(QUESTION, "", parse_address) == "10.0.0.1"
    assert plain("what", "sí").confirm(QUESTION) is True


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(UsageError, match="no terminal"):
        prompts_for_terminal(str)


def test_a_name_from_a_slave_does_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    nasty = "\x1b]0;owned\x07\n  9  Remove all"
    prompts = plain("1", "y")
    place: Any = None
    conversation = Conversation(place, Screen(), prompts)
    assert conversation.choose(message("Which {what}?", what=nasty), [Choice(1, nasty)]) == 1
    assert prompts.confirm(message("Remove {what}?", what="\x1b[2J"))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "\x07" not in shown and "\n  9" not in shown
