"""Option 5: an app's log, followed live until Ctrl+C."""

from __future__ import annotations

from datetime import datetime

from d8.actions.log_form import parse_moment, parse_priority
from d8.actions.logs import follow_logs
from d8.app_models import LogFilter, LogPriority
from d8.menu.conversation import Conversation
from d8.menu.picking import pick_slave_and_app
from d8.menu.prompts import Choice
from d8.menu.views.logs import LogView
from d8.messages import message

EVERYTHING, WARNINGS, ERRORS, OWN = 1, 2, 3, 4
OLD_LINES = 20


def run(conversation: Conversation) -> None:
    """Ask for the app and which lines; show them as they come."""
    slave, app = pick_slave_and_app(conversation)
    wanted = _ask_for_filter(conversation)
    screen = conversation.screen
    screen.note(message("{app} on {slave}, live. Ctrl+C: back.", app=app.name, slave=slave.slave_id))
    view = LogView(screen, screen, app.name)
    try:
        follow_logs(conversation.workplace, slave.slave_id, app.name, wanted, view)
    except KeyboardInterrupt:
        view.close()


def _ask_for_filter(conversation: Conversation) -> LogFilter:
    texts = {
        EVERYTHING: message("Everything"),
        WARNINGS: message("Warnings and errors"),
        ERRORS: message("Errors"),
        OWN: message("A filter of my own"),
    }
    lines = [Choice(number, text.text(conversation.screen.translate)) for number, text in texts.items()]
    number = conversation.choose(message("Which lines?"), lines)
    if number != OWN:
        priorities = {WARNINGS: LogPriority.WARNING, ERRORS: LogPriority.ERR}
        return LogFilter(OLD_LINES, priority=priorities.get(number))
    prompts, now = conversation.prompts, datetime.now().astimezone()
    priority = prompts.text(
        message("This bad or worse (crit, err, warning, notice, info, debug):"), "debug", parse_priority
    )
    grep = prompts.text(message("Only lines with this text (empty: all):"), "", str)
    since = prompts.text(
        message("From when on (10m, 2h, 1d, 14:30; empty: the last {count} lines):", count=OLD_LINES),
        "",
        lambda text: text and parse_moment(text, now),
    )
    if not since:
        return LogFilter(OLD_LINES, priority=parse_priority(priority), grep=grep or None)
    return LogFilter(1000, since=parse_moment(since, now), priority=parse_priority(priority), grep=grep or None)
