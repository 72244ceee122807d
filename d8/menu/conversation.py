"""What every option of the menu works with: settings and registry, the screen, somebody to ask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from d8.actions.workplace import Workplace
from d8.errors import D8Error
from d8.menu.prompts import Choice, Prompts
from d8.menu.views.printable import printable
from d8.menu.views.screen import Screen
from d8.messages import Message, message
from d8.source import master_commit

BACK = 0


class BackToMenu(Exception):
    """The operator wants nothing of what an option offers; nothing went wrong."""


@dataclass
class Conversation:
    """One session with the operator."""

    workplace: Workplace
    screen: Screen
    prompts: Prompts

    @cached_property
    def commit(self) -> str | None:
        """The master's commit; None where there is no git checkout, which the doctor explains."""
        try:
            return master_commit().hash
        except D8Error:
            return None

    def choose(self, title: Message, choices: list[Choice]) -> int:
        """Given a question and what may be chosen, return the number of the chosen one.

        The way back stands before them as number 0. Raises BackToMenu for it.
        """
        back = Choice(BACK, message("Back to the menu").text(self.screen.translate))
        shown = [Choice(choice.number, printable(choice.title)) for choice in choices]  # names come from slaves
        number = self.prompts.choose(printable(title.text(self.screen.translate)), [back, *shown])
        if number == BACK:
            raise BackToMenu
        return number
