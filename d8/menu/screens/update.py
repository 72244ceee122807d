"""Option 15: brings slaves to the master's commit, after showing who runs which."""

from __future__ import annotations

from d8.actions.status import SlaveState, fleet_status
from d8.actions.update import update_slaves
from d8.actions.versions import note_versions
from d8.menu.conversation import Conversation
from d8.menu.prompts import Choice
from d8.menu.views.tables import draw_fleet, draw_no_slaves
from d8.menu.views.updates import draw_outcomes, teller
from d8.messages import message


def run(conversation: Conversation) -> None:
    """Show the fleet, ask for one slave or all that differ, confirm, update."""
    screen, workplace = conversation.screen, conversation.workplace
    statuses = fleet_status(workplace, conversation.commit)
    if not statuses:
        draw_no_slaves(screen)
        return
    draw_fleet(screen, statuses, conversation.commit)
    behind = [status.slave for status in statuses if status.state is SlaveState.OTHER_COMMIT]
    if not behind:
        if any(status.state is SlaveState.OK for status in statuses):
            screen.good(message("Every slave that answers runs the master's commit."))
        return
    everybody = message("All {count} that run another commit", count=len(behind)).text(screen.translate)
    lines = [Choice(1, everybody), *(Choice(index, slave.slave_id) for index, slave in enumerate(behind, start=2))]
    chosen = conversation.choose(message("Update which?"), lines)
    slaves = behind if chosen == 1 else [behind[chosen - 2]]
    question = message("Update {count} slaves, {first} first?", count=len(slaves), first=slaves[0].slave_id)
    if not conversation.prompts.confirm(question):
        screen.say(message("Nothing was done."))
        return
    draw_outcomes(screen, update_slaves(workplace, slaves, teller(screen)))
    note_versions(workplace, fleet_status(workplace, conversation.commit), conversation.commit)
