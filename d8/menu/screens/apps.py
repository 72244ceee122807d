"""Option 2: the apps of a slave, once, again, or kept up to date until Ctrl+C."""

from __future__ import annotations

from d8.actions.apps import list_apps
from d8.actions.watch import watch_apps
from d8.menu.conversation import Conversation
from d8.menu.picking import pick_slave
from d8.menu.prompts import Choice
from d8.menu.views.apps import draw_apps
from d8.menu.views.apps_watch import AppsWatch
from d8.messages import message

AGAIN, LIVE = 1, 2


def run(conversation: Conversation) -> None:
    """Show the table and offer to look again."""
    screen, workplace = conversation.screen, conversation.workplace
    slave = pick_slave(conversation)
    if slave is None:
        return
    while True:
        screen.gap()
        draw_apps(screen, list_apps(workplace, slave.slave_id))
        texts = {AGAIN: message("Look again"), LIVE: message("Keep it up to date, until Ctrl+C")}
        lines = [Choice(number, text.text(screen.translate)) for number, text in texts.items()]
        if conversation.choose(message("And now?"), lines) == LIVE:
            with AppsWatch(screen) as watch:
                try:
                    watch_apps(workplace, slave.slave_id, watch)
                except KeyboardInterrupt:
                    pass
