"""One command's run: what it works with, how it answers, how it asks."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d8.actions.workplace import Workplace
from d8.errors import D8Error, SettingsError, UsageError
from d8.locale import Translate, language_of_locale, translation
from d8.messages import Message
from d8.settings import Settings, load_settings

if TYPE_CHECKING:
    from d8.menu.conversation import Conversation
    from d8.menu.prompts import Prompts
    from d8.menu.views.screen import Screen


class Run:
    """Given whether the answer is one JSON document, and whether nothing may be asked."""

    def __init__(self, wants_json: bool = False, is_yes: bool = False) -> None:
        self.wants_json = wants_json
        self.is_yes = is_yes

    @cached_property
    def settings(self) -> Settings:
        """The settings. Raises SettingsError, also for an .env that belongs to somebody else."""
        try:
            return load_settings(os.environ)
        except OSError as error:
            raise SettingsError(
                "{path} can't be read: {reason}",
                "Make it yours: sudo chown $USER {path}",
                path=error.filename,
                reason=error.strerror,
            ) from error

    @cached_property
    def workplace(self) -> Workplace:
        """Settings and registry."""
        return Workplace(self.settings)

    @cached_property
    def language(self) -> str:
        """The language of the screens, also when the settings are broken."""
        try:
            return self.settings.language
        except D8Error:
            return language_of_locale(os.environ) or "en"

    @cached_property
    def translate(self) -> Translate:
        """What turns a text into that language."""
        return translation(self.language)

    @cached_property
    def screen(self) -> Screen:
        """Where people read: stdout, or stderr when stdout belongs to the JSON document."""
        from d8.menu.views.screen import Screen, make_console

        return Screen(self.translate, make_console(stderr=self.wants_json))

    @cached_property
    def error_screen(self) -> Screen:
        """Where problems go that are not the answer: stderr."""
        from d8.menu.views.screen import Screen, make_console

        return Screen(self.translate, make_console(stderr=True))

    @cached_property
    def master_commit(self) -> str | None:
        """The commit that slaves should run; None outside a git checkout, which the doctor explains."""
        from d8.source import master_commit

        try:
            return master_commit().hash
        except D8Error:
            return None

    @cached_property
    def conversation(self) -> Conversation:
        """What the menu's options work with; asks nobody when --yes or --json was given."""
        from d8.menu.conversation import Conversation

        return Conversation(self.workplace, self.screen, self.prompts)

    @property
    def prompts(self) -> Prompts:
        """Who answers. Raises UsageError where a question would have no terminal."""
        from d8.menu.prompts import prompts_for_terminal

        return prompts_for_terminal(self.translate)

    def confirmed(self, question: Message) -> bool:
        """Given a question, return the answer: yes with --yes. Raises UsageError where nobody can be asked."""
        if self.is_yes:
            return True
        if self.wants_json:
            raise UsageError("this needs an answer: {question}", "Add --yes to say yes.", question=question)
        return self.prompts.confirm(question)

    def waiting(self, for_what: Message) -> AbstractContextManager[None]:
        """Given what is waited for, say so as long as it takes, where a person looks."""
        return nullcontext() if self.wants_json else self.screen.waiting(for_what)

    def answer(self, document: dict[str, Any], draw: Callable[[Screen], None]) -> None:
        """Given a result as JSON and as a picture, show the one that was asked for."""
        if self.wants_json:
            # Whole before the first byte is out: half a document is worse than none. Any terminal takes ASCII.
            sys.stdout.write(json.dumps(document, ensure_ascii=True, indent=2, default=_plain) + "\n")
        else:
            draw(self.screen)

    def send_requests(self) -> None:
        """After the command's own work: tell people what waits for them, if the command opened the registry anyway."""
        if "workplace" in self.__dict__ and self.workplace.is_open:
            from d8.actions.requests import send_on_the_way

            send_on_the_way(self.workplace)

    def close(self) -> None:
        """Give back what was opened."""
        if "workplace" in self.__dict__:
            self.workplace.close()


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
