"""Option 1: the fleet's status, then one slave in detail if wanted."""

from __future__ import annotations

from d8.actions.catch_up import catch_up
from d8.actions.requests import send_in_background
from d8.actions.status import fleet_status, slave_status
from d8.actions.trust import show_trust
from d8.actions.versions import note_versions
from d8.menu.conversation import Conversation
from d8.menu.prompts import Choice
from d8.menu.views.results import draw_trust
from d8.menu.views.tables import draw_fleet, draw_slave
from d8.menu.views.trust import draw_owed
from d8.messages import message


def run(conversation: Conversation) -> None:
    """Ask every slave, show the table, offer the details of one."""
    screen, workplace = conversation.screen, conversation.workplace
    catch_up(workplace)
    statuses = fleet_status(workplace, conversation.commit)
    if note_versions(workplace, statuses, conversation.commit):
        send_in_background(workplace.settings)
    draw_fleet(screen, statuses, conversation.commit)
    draw_owed(screen, workplace.registry.pending.all())
    if not statuses:
        return
    lines = [Choice(index, status.slave.slave_id) for index, status in enumerate(statuses, start=1)]
    chosen = conversation.choose(message("Details of which slave?"), lines)
    show_slave(conversation, statuses[chosen - 1].slave.slave_id)


def show_slave(conversation: Conversation, name: str) -> None:
    """Given a slave's name, show what the registry and, where it answers, the slave itself say."""
    screen, workplace = conversation.screen, conversation.workplace
    status, system = slave_status(workplace, name, conversation.commit)
    draw_slave(screen, status, system)
    screen.gap()
    draw_trust(screen, show_trust(workplace, (status.slave.slave_id,)))
