"""Option 15: brings slaves to the master's commit, after showing who runs which."""

from __future__ import annotations

from d8.actions.status import SlaveState, fleet_status
from d8.actions.update import update_slaves
from d8.actions.versions import note_versions
from d8.menu.conversation import Conversation
from d8.menu.prompts import Choice
from d8.menu.views.tables import draw_fleet, draw_no_slaves
from d8.menu.views.updates import draw_outcomes, teller, update_question
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
    offered = {slave.slave_id: [slave] for slave in behind}
    if len(behind) > 1:
        everybody = message("All {count} that run another commit", count=len(behind)).text(screen.translate)
        offered = {everybody: behind, **offered}
    lines = [Choice(number, words) for number, words in enumerate(offered, start=1)]
    slaves = list(offered.values())[conversation.choose(message("Update which?"), lines) - 1]
    if not conversation.prompts.confirm(update_question(slaves)):
        screen.say(message("Nothing was done."))
        return
    draw_outcomes(screen, update_slaves(workplace, slaves, teller(screen)))
    note_versions(workplace, fleet_status(workplace, conversation.commit), conversation.commit)
