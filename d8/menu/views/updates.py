"""How updates go and how they ended, on the screen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from rich.text import Text

from d8.actions.update import UpdateOutcome, UpdateState
from d8.menu.views.screen import Screen
from d8.messages import Message, message
from d8.models import Slave

WORDS = {
    UpdateState.UPDATED: (message("changed"), "ok"),
    UpdateState.ALREADY: (message("was there already"), "ok"),
    UpdateState.FAILED: (message("failed"), "bad"),
    UpdateState.NOT_BEGUN: (message("not begun"), "warn"),
}


def update_question(slaves: Sequence[Slave]) -> Message:
    """Given the slaves to update, the canary first, return what the operator is asked before it."""
    if len(slaves) == 1:
        return message("Update {slave}?", slave=slaves[0].slave_id)
    return message("Update {count} slaves, {first} first?", count=len(slaves), first=slaves[0].slave_id)


def teller(screen: Screen) -> Callable[[Slave, Message], None]:
    """Given the screen, return what shows each step of each slave as a line; several threads may call it."""
    lock = threading.Lock()

    def tell(slave: Slave, words: Message) -> None:
        with lock:
            screen.note(message("{slave}: {words}", slave=slave.slave_id, words=words))

    return tell


def draw_outcomes(screen: Screen, outcomes: Sequence[UpdateOutcome]) -> None:
    """Given how all went, show a line for each, and below why some failed."""
    rows: list[list[Text | str]] = []
    for one in outcomes:
        words, style = WORDS[one.state]
        rows.append([one.slave.slave_id, screen.text(words, style), one.slave.commit[:10], (one.commit or "-")[:10]])
    screen.table([message("Slave"), message("Update"), message("Before"), message("Now")], rows, 1)
    for one in outcomes:
        if one.error:
            screen.error(message("{slave}: {reason}", slave=one.slave.slave_id, reason=one.error), one.hint)
