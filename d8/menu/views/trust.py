"""How trust looks: tokens, rotations, what is owed to slaves, and who did what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from d8.actions.access import Granted
from d8.actions.catch_up import CaughtUp
from d8.actions.revocation import Revocation, bootstrap_is_open
from d8.actions.rotation import RotationOutcome
from d8.actions.trust_checks import WHAT_IS_OWED, owed_line
from d8.fleet.audit_store import AuditEntry
from d8.fleet.connection import trust_ended
from d8.menu.views.screen import Screen
from d8.messages import message
from d8.models import PendingTrust, Slave


def draw_owed(screen: Screen, pending: Sequence[PendingTrust]) -> None:
    """Given what is owed to slaves, say it; nothing where nothing is."""
    for one in pending:
        screen.warn(owed_line(one))


def draw_caught_up(screen: Screen, tried: Sequence[CaughtUp]) -> None:
    """Given what was tried again, show how each ended."""
    if not tried:
        screen.say(message("Nothing is owed to any slave."))
    for one in tried:
        slave, what = one.pending.slave.slave_id, WHAT_IS_OWED[one.pending.kind]
        if one.is_settled:
            screen.good(message("{slave}: settled ({what})", slave=slave, what=what))
        else:
            reason = one.reason or "-"
            screen.warn(message("{slave} is still owed {what}: {reason}", slave=slave, what=what, reason=reason))


def draw_rotations(screen: Screen, outcomes: Sequence[RotationOutcome]) -> None:
    """Given how rotations ended, show each."""
    for one in outcomes:
        if one.rotation is None:
            reason = one.error or "-"
            screen.error(message("{slave}: {reason}", slave=one.slave.slave_id, reason=reason), one.hint)
        elif one.rotation.ends is None:
            screen.good(message("{slave} has a new token; the old one is dead", slave=one.slave.slave_id))
        else:
            text = "{slave} has a new token and a certificate until {day}; the old ones are dead"
            screen.good(message(text, slave=one.slave.slave_id, day=f"{one.rotation.ends:%Y-%m-%d}"))
        if one.rotation is not None and one.rotation.kept:
            screen.warn(bootstrap_is_open(one.slave, one.rotation.kept))


def draw_granted(screen: Screen, made: Granted) -> None:
    """Given a token just made, show it: this once."""
    text = "{slave} lets {name} in with the scope {scope}. The token, shown this once:"
    screen.good(message(text, slave=made.slave.slave_id, name=made.name, scope=made.scope.value))
    screen.command(made.token)


def draw_tokens(screen: Screen, tokens: Sequence[Mapping[str, Any]]) -> None:
    """Given what is granted on a slave, show it."""
    if not tokens:
        screen.say(message("Nobody but this master has a token for it."))
        return
    rows = [[str(one["name"]), str(one["scope"]), str(one["created"])] for one in tokens]
    screen.table([message("Name"), message("Scope"), message("Since")], rows, 0)


def draw_token_revoked(screen: Screen, slave: Slave, name: str) -> None:
    """Given a slave and the token that is dead there, say so."""
    screen.good(message("{slave}: the token {name} is dead", slave=slave.slave_id, name=name))


def draw_revocation(screen: Screen, done: Revocation) -> None:
    """Given what became of a revocation, show it."""
    if done.is_done:
        screen.good(message("{slave} lets nobody in any more.", slave=done.slave.slave_id))
        screen.say_with_commands(trust_ended(done.slave).hint, indent=2)
    if done.warning:
        screen.warn(done.warning)


def draw_audit(screen: Screen, deeds: Sequence[AuditEntry]) -> None:
    """Given deeds of this master, oldest first, show them."""
    if not deeds:
        screen.say(message("Nothing was written down yet."))
        return
    rows = [[f"{one.time:%Y-%m-%d %H:%M:%S}", one.actor, one.action, one.subject, one.result] for one in deeds]
    screen.table(
        [message("Moment (UTC)"), message("Who"), message("What"), message("Whom"), message("Result")], rows, 0, 1, 3, 4
    )


def draw_slave_audit(screen: Screen, entries: Sequence[Mapping[str, Any]]) -> None:
    """Given entries of a slave's audit log, oldest first, show them."""
    if not entries:
        screen.say(message("Nothing was written down yet."))
        return
    rows = [
        [
            str(one["time"]).replace("T", " ").removesuffix("Z"),
            *(str(one[name]) for name in ("who", "address", "what", "status")),
        ]
        for one in entries
    ]
    screen.table(
        [message("Moment (UTC)"), message("Who"), message("From"), message("What"), message("Status")], rows, 0, 1, 2, 3
    )
