"""The numbered options: their order on the screen, and which function answers each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from d8.menu.conversation import Conversation
from d8.messages import Message, message

EXIT = 0


@dataclass(frozen=True)
class Option:
    """One line of the menu. Its function is looked up when it is chosen, so that the menu opens at once."""

    number: int
    title: Message
    module: str = ""

    def run(self, conversation: Conversation) -> None:
        """Do what the option says; its title stands on the screen already."""
        answer: Callable[[Conversation], None] = import_module(f"d8.menu.screens.{self.module}").run
        answer(conversation)


OPTIONS: tuple[Option, ...] = (
    Option(1, message("Fleet status"), "fleet"),
    Option(2, message("Apps of a slave"), "apps"),
    Option(3, message("Control an app"), "control"),
    Option(4, message("Register an app"), "register"),
    Option(5, message("Logs of an app"), "logs"),
    Option(6, message("Roll a slave back"), "rollback"),
    Option(7, message("Build logs"), "builds"),
    Option(8, message("Requests to people"), "requests"),
    Option(9, message("Settings and doctor"), "doctor"),
    Option(10, message("Generate scripts"), "installer"),
    Option(11, message("Build & automatic registration"), "build"),
    Option(12, message("Install over SSH & build"), "bootstrap"),
    Option(13, message("Trust and tokens"), "trust"),
    Option(15, message("Update slaves"), "update"),
    Option(16, message("Remove a slave"), "remove"),
    Option(EXIT, message("Exit")),
)
