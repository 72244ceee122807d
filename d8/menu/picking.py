"""Which slave, which app: the questions that several options begin with."""

from __future__ import annotations

from d8.actions.apps import SlaveApps, list_apps
from d8.app_models import AppStatus
from d8.menu.conversation import BackToMenu, Conversation
from d8.menu.prompts import Choice
from d8.menu.views.apps import state_word
from d8.menu.views.tables import draw_no_slaves
from d8.messages import message
from d8.models import Slave

NOT_BACK = 1  # the numbers of what can be chosen begin here; before them is the way back


def pick_slave(conversation: Conversation) -> Slave | None:
    """Ask for a registered slave, or take the only one; None, after an explanation, where there is none."""
    screen = conversation.screen
    slaves = conversation.workplace.registry.slaves()
    if not slaves:
        draw_no_slaves(screen)
        return None
    if len(slaves) == 1:
        screen.say(message("{slave}:", slave=slaves[0].slave_id), "name")
        return slaves[0]
    lines = [Choice(index, f"{slave.slave_id}  {slave.hostname}") for index, slave in enumerate(slaves, start=NOT_BACK)]
    return slaves[conversation.choose(message("Which slave?"), lines) - NOT_BACK]


def pick_app(conversation: Conversation, found: SlaveApps) -> AppStatus | None:
    """Given the apps of a slave, ask for one; None, with an explanation on the screen, where there is none."""
    screen = conversation.screen
    if not found.apps:
        screen.say(message("No apps on {slave} yet. Register one: option 4.", slave=found.slave.slave_id))
        return None
    width = max(len(app.name) for app in found.apps)
    lines = [
        Choice(index, f"{app.name.ljust(width)}  {state_word(screen, app.status).plain}")
        for index, app in enumerate(found.apps, start=NOT_BACK)
    ]
    return found.apps[conversation.choose(message("Which app?"), lines) - NOT_BACK]


def pick_slave_and_app(conversation: Conversation) -> tuple[Slave, AppStatus]:
    """Ask for a slave and one of its apps. Raises BackToMenu where there is none, after an explanation and a pause."""
    slave = pick_slave(conversation)
    app = pick_app(conversation, list_apps(conversation.workplace, slave.slave_id)) if slave else None
    if slave is None or app is None:
        conversation.screen.gap()
        conversation.prompts.pause()
        raise BackToMenu
    return slave, app
