"""Every question to the operator, the only module that uses questionary.

A terminal that can't move its cursor gets plain lines.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from getpass import getpass
from typing import TYPE_CHECKING, Protocol

from d8.errors import D8Error, UsageError
from d8.menu.views.printable import without_controls
from d8.messages import Message, Translate, message

if TYPE_CHECKING:
    from questionary import Style

YES = frozenset({"s", "si", "sí", "y", "yes"})
NO = frozenset({"n", "no"})
Check = Callable[[str], object]  # raises D8Error for an answer that can't be used


@dataclass(frozen=True)
class Choice:
    """One numbered line of a list."""

    number: int
    title: str


class Prompts(Protocol):
    """Who can be asked. Ctrl+C raises KeyboardInterrupt, the end of input EOFError."""

    def choose(self, title: str, choices: Sequence[Choice]) -> int:
        """Given a title and a numbered list, return the chosen number."""

    def text(self, question: Message, default: str, check: Check) -> str:
        """Given a question, its default and a check, return an answer that passes the check."""

    def confirm(self, question: Message) -> bool:
        """Given a question, return whether the answer was yes, in either language; Enter is no."""

    def secret(self, question: Message) -> str:
        """Given a question, return what was typed without showing it."""

    def pause(self) -> None:
        """Wait for Enter, so that what is on the screen can be read."""


def understood(answer: str) -> bool | None:
    """Given what was typed, return yes (s, si, sí, y, yes), no (n, no, nothing) or None for neither. Pure."""
    word = answer.strip().lower()
    if word in YES:
        return True
    return False if word in NO or not word else None


def prompts_for_terminal(translate: Translate) -> Prompts:
    """Return the prompts that suit this terminal. Raises UsageError where there is none."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "this needs an answer, and there is no terminal to ask in",
            "Give every value on the command line and add --yes; start_d8.py --help lists the commands.",
        )
    return (
        PlainPrompts(translate) if os.environ.get("TERM", "dumb") in ("dumb", "unknown") else TerminalPrompts(translate)
    )


class PlainPrompts:
    """Questions as plain lines: for a terminal without cursor movement."""

    def __init__(
        self, translate: Translate, read: Callable[[str], str] = input, read_unseen: Callable[[str], str] = getpass
    ) -> None:
        self._translate = translate
        self._read = read
        self._read_unseen = read_unseen

    def choose(self, title: str, choices: Sequence[Choice]) -> int:
        numbers = {str(choice.number): choice.number for choice in choices}
        print(f"\n  {title}\n")
        for choice in choices:
            print(f"  {choice.number:>3}  {choice.title}")
        while True:
            answer = self._read("\n" + self._said(message("  Option: "))).strip()
            if answer in numbers:
                return numbers[answer]
            print(self._said(message("  There is no option {number}.", number=answer or "-")))

    def text(self, question: Message, default: str, check: Check) -> str:
        shown = f"  {self._said(question)} [{default}] " if default else f"  {self._said(question)} "
        while True:
            answer = self._read(shown).strip() or default
            problem = problem_with(answer, check, self._translate)
            if problem is None:
                return answer
            print(f"  {problem}")

    def confirm(self, question: Message) -> bool:
        while True:
            meant = understood(self._read(f"  {self._said(question)} {self._said(message('[y/N]'))} "))
            if meant is not None:
                return meant

    def secret(self, question: Message) -> str:
        return self._read_unseen(f"  {self._said(question)} ")

    def pause(self) -> None:
        self._read("\n" + self._said(message("  Enter: back to the menu ")))

    def _said(self, text: Message) -> str:
        return without_controls(text.text(self._translate))


class TerminalPrompts:
    """Questions in a full terminal."""

    def __init__(self, translate: Translate) -> None:
        self._translate = translate

    def choose(self, title: str, choices: Sequence[Choice]) -> int:
        from d8.menu.chooser import choose

        return choose(title, choices, self._translate)

    def text(self, question: Message, default: str, check: Check) -> str:
        import questionary

        answer = default
        while True:
            asked = questionary.text(self._said(question), default=answer, qmark=" ", style=_style())
            answer = str(asked.unsafe_ask()).strip()
            problem = problem_with(answer, check, self._translate)
            if problem is None:
                return answer
            print(f"  {problem}")

    def confirm(self, question: Message) -> bool:
        import questionary

        def validate(answer: str) -> bool | str:
            return True if understood(answer) is not None else self._said(message("y (yes) or n (no)"))

        shown = f"{self._said(question)} {self._said(message('[y/N]'))}"
        return bool(understood(questionary.text(shown, validate=validate, qmark=" ", style=_style()).unsafe_ask()))

    def secret(self, question: Message) -> str:
        import questionary

        return str(questionary.password(self._said(question), qmark=" ", style=_style()).unsafe_ask())

    def pause(self) -> None:
        import questionary

        questionary.text(self._said(message("Enter: back to the menu")), qmark=" ", style=_style()).unsafe_ask()

    def _said(self, text: Message) -> str:
        return without_controls(text.text(self._translate))


def problem_with(answer: str, check: Check, translate: Translate) -> str | None:
    """Given an answer and its check, return what is wrong with it, in two lines; None when it can be used."""
    try:
        check(answer)
    except D8Error as error:
        return f"{error.message.text(translate)}\n  {error.hint.text(translate)}"
    return None


def _style() -> Style:
    import questionary

    return questionary.Style([("question", ""), ("answer", "fg:ansicyan"), ("qmark", "")])
