"""Option 16: takes the agent off a slave and forgets it, after a question."""

from __future__ import annotations

from d8.actions.app_loss import apps_to_lose, removal_question
from d8.actions.remove import remove_slave
from d8.errors import Refused
from d8.menu.conversation import Conversation
from d8.menu.prompts import Choice
from d8.menu.views.results import draw_removal
from d8.menu.views.tables import draw_no_slaves
from d8.messages import message


def run(conversation: Conversation) -> None:
    """Ask which one, confirm, remove; a slave that refuses may be forgotten after a second question."""
    screen, prompts = conversation.screen, conversation.prompts
    slaves = conversation.workplace.registry.slaves()
    if not slaves:
        draw_no_slaves(screen)
        return
    lines = [Choice(index, f"{slave.slave_id}  {slave.hostname}") for index, slave in enumerate(slaves, start=1)]
    name = slaves[conversation.choose(message("Remove which slave?"), lines) - 1].slave_id
    if not prompts.confirm(removal_question(name, apps_to_lose(conversation.workplace, name))):
        screen.say(message("Nothing was done."))
        return
    try:
        draw_removal(screen, remove_slave(conversation.workplace, name, forget=False))
    except Refused as error:
        screen.error(error.message, error.hint)
        if prompts.confirm(message("Forget {slave} all the same? Its agent may keep running.", slave=name)):
            draw_removal(screen, remove_slave(conversation.workplace, name, forget=True))
