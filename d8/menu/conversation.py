"""What every option of the menu works with: settings and registry, the screen, somebody to ask."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from d8.actions.workplace import Workplace
from d8.errors import D8Error
from d8.menu.prompts import Prompts
from d8.menu.views.screen import Screen
from d8.source import master_commit


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
