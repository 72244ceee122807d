"""Option 13: who may use a slave, new credentials for it, the end of old ones, and who did what."""

from __future__ import annotations

from collections.abc import Callable

from d8.actions.access import check_token_name, grant, granted, revoke_token, slave_audit
from d8.actions.catch_up import catch_up
from d8.actions.revocation import revocation_question, revoke
from d8.actions.rotation import rotate_all
from d8.actions.trust import show_trust
from d8.menu.conversation import Conversation
from d8.menu.prompts import Choice
from d8.menu.views import trust as views
from d8.menu.views.results import draw_trust
from d8.menu.views.tables import draw_no_slaves
from d8.messages import Message, message
from d8.models import Slave, TokenScope

ENTRIES = 50

Answer = Callable[[Conversation, Slave], None]


def run(conversation: Conversation) -> None:
    """Say what is owed, ask for a slave, then what to do with it."""
    screen, registry = conversation.screen, conversation.workplace.registry
    views.draw_owed(screen, registry.pending.all())
    slaves = registry.slaves()
    if not slaves:
        draw_no_slaves(screen)
        return
    lines = [Choice(index, f"{slave.slave_id}  {slave.hostname}") for index, slave in enumerate(slaves, start=1)]
    more = [message("What this master did"), message("Try again what is owed to slaves")]
    lines += [Choice(len(slaves) + index, text.text(screen.translate)) for index, text in enumerate(more, start=1)]
    chosen = conversation.choose(message("Trust in which slave?"), lines)
    if chosen == len(slaves) + 1:
        views.draw_audit(screen, registry.audit.newest(ENTRIES))
    elif chosen == len(slaves) + 2:
        views.draw_caught_up(screen, catch_up(conversation.workplace))
    else:
        _about(conversation, slaves[chosen - 1])


def _about(conversation: Conversation, slave: Slave) -> None:
    lines = [Choice(index, text.text(conversation.screen.translate)) for index, (text, _) in enumerate(ANSWERS, 1)]
    number = conversation.choose(message("What about {slave}?", slave=slave.slave_id), lines)
    ANSWERS[number - 1][1](conversation, slave)


def _show(conversation: Conversation, slave: Slave) -> None:
    shown = show_trust(conversation.workplace, (slave.slave_id,))
    draw_trust(conversation.screen, shown)
    if shown.lines[0].ended:
        return
    conversation.screen.gap()
    views.draw_tokens(conversation.screen, granted(conversation.workplace, slave))


def _grant(conversation: Conversation, slave: Slave) -> None:
    name = conversation.prompts.text(message("Who is the token for (a short name)?"), "", check_token_name)
    scopes = list(TokenScope)
    lines = [Choice(index, SCOPES[scope].text(conversation.screen.translate)) for index, scope in enumerate(scopes, 1)]
    scope = scopes[conversation.choose(message("How far shall it reach?"), lines) - 1]
    views.draw_granted(conversation.screen, grant(conversation.workplace, slave, name, scope))


def _revoke_token(conversation: Conversation, slave: Slave) -> None:
    tokens = granted(conversation.workplace, slave)
    if not tokens:
        views.draw_tokens(conversation.screen, tokens)
        return
    lines = [Choice(index, f"{one['name']}  ({one['scope']})") for index, one in enumerate(tokens, start=1)]
    name = str(tokens[conversation.choose(message("End which token?"), lines) - 1]["name"])
    revoke_token(conversation.workplace, slave, name)
    views.draw_token_revoked(conversation.screen, slave, name)


def _rotate(conversation: Conversation, slave: Slave) -> None:
    views.draw_rotations(conversation.screen, rotate_all(conversation.workplace, [slave]))


def _revoke(conversation: Conversation, slave: Slave) -> None:
    if conversation.prompts.confirm(revocation_question(slave)):
        views.draw_revocation(conversation.screen, revoke(conversation.workplace, slave))
    else:
        conversation.screen.say(message("Nothing was done."))


def _audit(conversation: Conversation, slave: Slave) -> None:
    views.draw_slave_audit(conversation.screen, slave_audit(conversation.workplace, slave, ENTRIES))


ANSWERS: tuple[tuple[Message, Answer], ...] = (
    (message("Show how to call it, and who has a token"), _show),
    (message("Make a token for somebody"), _grant),
    (message("End a token"), _revoke_token),
    (message("Give it a new certificate and token of this master"), _rotate),
    (message("Show who did what on it"), _audit),
    (message("End every token, this master's included"), _revoke),
)
SCOPES = {
    TokenScope.READ: message("read: look at apps, logs and metrics"),
    TokenScope.OPERATE: message("operate: also start, stop, register and change apps"),
    TokenScope.EXECUTE: message("execute: also run commands as the agent's user"),
    TokenScope.MANAGE: message("manage: everything, credentials included"),
}
