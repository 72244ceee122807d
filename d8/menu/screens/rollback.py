"""Option 6: lets a slave run the release before its present one, after a question."""

from __future__ import annotations

from d8.actions.update import roll_back_slave
from d8.menu.conversation import Conversation
from d8.menu.prompts import Choice
from d8.menu.views.tables import draw_no_slaves
from d8.menu.views.updates import draw_outcomes, teller
from d8.messages import message


def run(conversation: Conversation) -> None:
    """Ask which one, confirm, go back."""
    screen, workplace = conversation.screen, conversation.workplace
    slaves = workplace.registry.slaves()
    if not slaves:
        draw_no_slaves(screen)
        return
    lines = [Choice(index, f"{one.slave_id}  {one.commit[:10]}") for index, one in enumerate(slaves, start=1)]
    slave = slaves[conversation.choose(message("Roll back which slave?"), lines) - 1]
    if not conversation.prompts.confirm(message("Let {slave} go back to the release before?", slave=slave.slave_id)):
        screen.say(message("Nothing was done."))
        return
    draw_outcomes(screen, [roll_back_slave(workplace, slave, teller(screen))])
