"""Option 10: new install scripts, for Linux and for Windows."""

from __future__ import annotations

from datetime import UTC, datetime

from d8.actions.installer import Platform, make_installer
from d8.menu.conversation import Conversation
from d8.menu.views.results import draw_installer


def run(conversation: Conversation) -> None:
    """Write it and show what to do with it."""
    draw_installer(conversation.screen, make_installer(conversation.workplace, datetime.now(UTC), Platform.ALL))
