"""Option 11: asks for the slave's address, says what will happen, builds it live."""

from __future__ import annotations

from d8.actions.build import build_slave
from d8.actions.trust import show_trust
from d8.fleet.names import Address, parse_address
from d8.menu.conversation import Conversation
from d8.menu.memory import last_host, remember_host
from d8.menu.views.progress import BuildProgress
from d8.menu.views.results import draw_report
from d8.menu.views.screen import Screen
from d8.messages import message
from d8.models import BuildReport


def run(conversation: Conversation) -> None:
    """Ask, explain, confirm, build."""
    settings = conversation.workplace.settings
    typed = conversation.prompts.text(
        message("Address of the slave (IP or name):"),
        last_host(settings.data_dir),
        lambda answer: parse_address(answer, settings.slave_port),
    )
    address = parse_address(typed, settings.slave_port)
    remember_host(settings.data_dir, typed)
    explain(conversation.screen, address)
    if conversation.prompts.confirm(message("Build {address} now?", address=address)):
        build_live(conversation, address)
    else:
        conversation.screen.say(message("Nothing was done."))


def explain(screen: Screen, address: Address) -> None:
    """Given an address, say what a build does there."""
    screen.gap()
    screen.say(
        message(
            "D8 will look at {address}, send the master's commit, install the agent in an environment of its own, "
            "hand port {port} over to it and register the slave. Nobody is locked out: if the agent does not prove "
            "itself, the bootstrap gets the port back.",
            address=address.host,
            port=address.port,
        )
    )
    screen.gap()


def build_live(conversation: Conversation, address: Address) -> BuildReport:
    """Given an address, build it while the progress is shown, then show the outcome; return the report."""
    workplace, screen = conversation.workplace, conversation.screen
    with BuildProgress(screen) as progress:
        report = build_slave(workplace, address, progress)
    curl = show_trust(workplace, (report.slave.slave_id,)).lines[0].command if report.slave else None
    draw_report(screen, report, curl)
    return report
