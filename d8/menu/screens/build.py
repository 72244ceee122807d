"""Option 11: asks for the addresses of slaves, says what will happen, builds them live."""

from __future__ import annotations

from collections.abc import Sequence

from d8.actions.build import Ask, Wanted, build_slave, build_slaves
from d8.actions.hosts import hosts_in, parse_hosts
from d8.actions.trust import show_trust
from d8.fleet.names import Address
from d8.menu.conversation import Conversation
from d8.menu.interruption import Pausable, ask_what_to_do
from d8.menu.memory import last_host, remember_host
from d8.menu.views.many import ManyProgress, draw_summary
from d8.menu.views.progress import BuildProgress
from d8.menu.views.results import draw_report
from d8.menu.views.screen import Screen
from d8.messages import message
from d8.models import BuildReport


def run(conversation: Conversation) -> None:
    """Ask, explain, confirm, build."""
    settings = conversation.workplace.settings
    typed = conversation.prompts.text(
        message("Address of the slave (IP or name; several with spaces between them):"),
        last_host(settings.data_dir),
        lambda answer: parse_hosts(hosts_in(answer), settings.slave_port),
    )
    addresses = parse_hosts(hosts_in(typed), settings.slave_port).addresses
    remember_host(settings.data_dir, typed)
    shown = ", ".join(map(str, addresses))
    explain(conversation.screen, shown, addresses[0].port)
    if not conversation.prompts.confirm(message("Build {address} now?", address=shown)):
        conversation.screen.say(message("Nothing was done."))
    elif len(addresses) == 1:
        build_live(conversation, addresses[0])
    else:
        build_many_live(conversation, addresses)


def explain(screen: Screen, hosts: str, port: int) -> None:
    """Given the hosts as text and their port, say what a build does there."""
    screen.gap()
    screen.say(
        message(
            "D8 will look at {address}, send the master's commit, install the agent in an environment of its own, "
            "hand port {port} over to it and register the slave. Nobody is locked out: if the agent does not prove "
            "itself, the bootstrap gets the port back.",
            address=hosts,
            port=port,
        )
    )
    screen.gap()


def build_live(conversation: Conversation, address: Address) -> BuildReport:
    """Given an address, build it while the progress is shown, then show the outcome; return the report."""
    workplace, screen = conversation.workplace, conversation.screen
    with BuildProgress(screen) as progress:
        report = build_slave(workplace, address, progress, ask=_ask(conversation, progress))
    curl = show_trust(workplace, (report.slave.slave_id,)).lines[0].command if report.slave else None
    draw_report(screen, report, curl)
    return report


def build_many_live(conversation: Conversation, addresses: Sequence[Address]) -> None:
    """Given several addresses, build them at once with a live line each, then show how it went."""
    workplace, screen = conversation.workplace, conversation.screen
    with ManyProgress(screen, addresses) as progress:
        ask = _ask(conversation, progress)
        reports = build_slaves(workplace, addresses, progress.observer_of, Wanted(), ask, progress.tell)
    draw_summary(screen, addresses, reports)


def _ask(conversation: Conversation, view: Pausable) -> Ask:
    return lambda: ask_what_to_do(view, conversation.screen, conversation.prompts)
