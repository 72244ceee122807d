"""Option 9: the settings as they are in force, and what the doctor finds."""

from __future__ import annotations

from d8.actions.doctor import examine_all
from d8.menu.conversation import Conversation
from d8.menu.views.tables import draw_checks, draw_settings


def run(conversation: Conversation) -> None:
    """Show both."""
    draw_settings(conversation.screen, conversation.workplace.settings)
    conversation.screen.gap()
    draw_checks(conversation.screen, examine_all(conversation.workplace))
