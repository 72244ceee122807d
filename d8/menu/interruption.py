"""The question that Ctrl+C raises while slaves are built."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Protocol

from d8.build.control import Wish
from d8.menu.prompts import Choice, Prompts
from d8.menu.views.screen import Screen
from d8.messages import message

ANSWERS = {1: None, 2: Wish.DETACH, 3: Wish.CANCEL}


class Pausable(Protocol):
    """A view that can hold still."""

    def paused(self) -> AbstractContextManager[None]:
        """Keep the screen still for the block."""


def can_ask() -> bool:
    """Whether somebody sits at a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def ask_what_to_do(view: Pausable, screen: Screen, prompts: Prompts) -> Wish | None:
    """Given the view of the running builds, ask whether to go on, to leave the slaves working or to cancel; return the
    wish, None for going on. Ctrl+C in the question raises KeyboardInterrupt."""
    texts = {
        1: message("Go on"),
        2: message("Leave: the slave works on, --resume goes on later"),
        3: message("Cancel: end it on the slave too"),
    }
    with view.paused():
        title = message("What shall become of the build?").text(screen.translate)
        choices = [Choice(number, text.text(screen.translate)) for number, text in texts.items()]
        wish = ANSWERS[prompts.choose(title, choices)]
        if wish is not None:
            screen.note(message("one moment: the builds hear of it at their next step"))
        return wish
