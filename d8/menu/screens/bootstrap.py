"""Option 12: asks where, brings the bootstrap there over ssh and builds the slave, live."""

from __future__ import annotations

from d8.actions.bootstrap import BootstrapSlave, Operator
from d8.fleet.ssh_target import DEFAULT_USER, parse_target
from d8.menu.conversation import Conversation
from d8.menu.memory import last_host, remember_host
from d8.menu.screens.build import build_live
from d8.menu.views.bootstrap import draw_installed, show_script_line
from d8.messages import message


def run(conversation: Conversation) -> None:
    """Ask for user and address, install, build; a host key that is new and a password are asked for on the way."""
    settings, prompts, screen = conversation.workplace.settings, conversation.prompts, conversation.screen
    known = next(iter(last_host(settings.data_dir).split()), "")  # of several the first
    typed = prompts.text(
        message("User and address (user@IP, ssh's port after a colon if it is not 22):"),
        f"{DEFAULT_USER}@{known}" if known else "",
        parse_target,
    )
    target = parse_target(typed)
    remember_host(settings.data_dir, target.host)
    bootstrap = BootstrapSlave(
        conversation.workplace,
        target,
        Operator(accepts_host_key=prompts.confirm, secret=prompts.secret),
        lambda line: show_script_line(screen, line),
    )
    draw_installed(screen, target, bootstrap.install_if_needed())
    build_live(conversation, bootstrap.address)
