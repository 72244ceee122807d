"""Option 3: starts, stops and removes the app of a slave, and says how it is then."""

from __future__ import annotations

from d8.actions.apps import control_app, remove_app, show_app
from d8.app_models import AppVerb
from d8.errors import D8Error
from d8.menu.conversation import Conversation
from d8.menu.picking import pick_slave_and_app
from d8.menu.prompts import Choice
from d8.menu.views.apps import at_work, draw_app, draw_app_removed, draw_result
from d8.menu.views.failures import draw_failure
from d8.messages import message

VERBS = {1: AppVerb.START, 2: AppVerb.STOP, 3: AppVerb.RESTART, 4: AppVerb.ENABLE, 5: AppVerb.DISABLE}
SHOW, REMOVE = 6, 7
TEXTS = {
    1: message("Start it"),
    2: message("Stop it"),
    3: message("Restart it"),
    4: message("Let it start with the slave"),
    5: message("No longer let it start with the slave"),
    SHOW: message("Show everything about it"),
    REMOVE: message("Remove it"),
}


def run(conversation: Conversation) -> None:
    """Ask for the app and what to do with it, until the operator goes back or it is removed."""
    slave, app = pick_slave_and_app(conversation)
    screen = conversation.screen
    lines = [Choice(number, text.text(screen.translate)) for number, text in TEXTS.items()]
    while True:
        screen.gap()
        number = conversation.choose(message("{app}: what to do?", app=app.name), lines)
        try:
            if _do(conversation, slave.slave_id, app.name, number):
                return
        except D8Error as error:  # the next thing to do is one choice away
            draw_failure(screen, error)


def _do(conversation: Conversation, slave_id: str, name: str, number: int) -> bool:
    """Do it; return whether the app is gone."""
    screen, workplace = conversation.screen, conversation.workplace
    if number == SHOW:
        draw_app(screen, show_app(workplace, slave_id, name))
    elif number != REMOVE:
        with screen.waiting(at_work(slave_id, name)):
            result = control_app(workplace, slave_id, VERBS[number], name)
        draw_result(screen, result, VERBS[number])
    elif conversation.prompts.confirm(message("Remove the app {app} from {slave}?", app=name, slave=slave_id)):
        with screen.waiting(at_work(slave_id, name)):
            removal = remove_app(workplace, slave_id, name)
        draw_app_removed(screen, removal)
        return True
    else:
        screen.say(message("Nothing was done."))
    return False
