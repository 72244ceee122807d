"""Typing numbers and moving with the arrows, first as pure steps, then with real key presses."""

from __future__ import annotations

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from d8.locale import translation
from d8.menu.chooser import Chooser, Selection, choose, part_around
from d8.menu.prompts import Choice

CHOICES = [Choice(number, f"option {number}") for number in (1, 7, 10, 11, 0)]
NUMBERS = tuple(choice.number for choice in CHOICES)
DOWN, UP, BACKSPACE = "\x1b[B", "\x1b[A", "\x7f"


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [
        ("1", 1),
        ("11", 11),
        ("10", 10),
        ("0", 0),
        ("011", 11),
        ("1" + BACKSPACE + "7", 7),
        ("11" + BACKSPACE, 1),
        ("", 1),
        (DOWN, 7),
        (UP, 0),
        (DOWN * 5, 1),
        ("7" + DOWN, 10),
        ("3\r" + BACKSPACE + "7", 7),
        ("99999", None),
    ],
)
def test_keys_choose(keys: str, chosen: int | None) -> None:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys + "\r")
        if chosen is None:
            pipe.send_text(BACKSPACE * 4 + "1\r")
            chosen = 1
        assert choose("title", CHOICES, str) == chosen


@pytest.mark.parametrize(("key", "error"), [("\x03", KeyboardInterrupt), ("\x04", EOFError)])
def test_leaving_without_a_choice(key: str, error: type[BaseException]) -> None:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text("1" + key)
        with pytest.raises(error):
            choose("title", CHOICES, str)


def test_typing_moves_the_mark() -> None:
    selection = Selection(NUMBERS).with_digit("1")
    assert (selection.index, selection.chosen) == (0, 1)
    assert selection.with_digit("1").index == NUMBERS.index(11)


def test_a_number_that_is_no_option_is_not_chosen() -> None:
    selection = Selection(NUMBERS).with_digit("9")
    assert selection.chosen is None
    assert selection.moved(1).chosen == 7


def test_what_was_typed_is_shown_and_a_wrong_number_is_told() -> None:
    chooser = Chooser("title", CHOICES, translation("es"))
    chooser.selection = Selection(NUMBERS).with_digit("1").with_digit("2")
    picture = "".join(part[1] for part in chooser.picture())
    assert "Opción: 12" in picture
    chooser.selection = Selection(NUMBERS, typed="12", is_refused=True)
    assert "no existe la opción 12" in "".join(part[1] for part in chooser.picture())


@pytest.mark.parametrize(
    ("index", "count", "room", "shown"),
    [(0, 5, 5, range(5)), (0, 40, 12, range(10)), (20, 40, 12, range(15, 25)), (39, 40, 12, range(30, 40)),
     (3, 40, 1, range(3, 4)), (3, 40, -2, range(3, 4))],
)  # fmt: skip
def test_of_a_long_list_the_part_around_the_mark_is_shown(index: int, count: int, room: int, shown: range) -> None:
    assert part_around(index, count, room) == shown and index in shown


@pytest.mark.parametrize("typed", ["", "1", "25", "39", "40"])
def test_a_long_list_fits_the_terminal_with_its_title_and_its_mark(typed: str) -> None:
    chooser = Chooser("Which?", [Choice(number, f"slave {number}") for number in range(41)], str, rows=lambda: 24)
    for digit in typed:
        chooser.selection = chooser.selection.with_digit(digit)
    picture = "".join(part[1] for part in chooser.picture())
    assert picture.startswith("  Which?") and f"> {typed or 0:>3}" in picture
    assert len(picture.splitlines()) <= 24 and picture.count("\n") == 24 - 1
