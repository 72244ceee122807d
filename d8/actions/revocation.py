"""Ends the trust in a slave: nobody gets in any more, the master included. What can't be said now is owed to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from d8.actions.rescue_token import renew_rescue_token
from d8.actions.rotation import header_file
from d8.actions.workplace import Workplace
from d8.errors import D8Error, SlaveUnreachable, TokenRefused
from d8.fleet.connection import OWN_SERVERS, connect_to_slave
from d8.messages import NOTHING, Message, message
from d8.models import PendingKind, Slave


@dataclass(frozen=True)
class Revocation:
    """What became of it: `is_done` says that the slave has acknowledged it; `warning` says why not, or what is left."""

    slave: Slave
    is_done: bool
    warning: Message = NOTHING

    def as_json(self) -> dict[str, Any]:
        """Return the object of `trust SLAVE revoke --json`."""
        return {
            "slave_id": self.slave.slave_id,
            "revoked": self.is_done,
            "pending": not self.is_done,
            "warning": str(self.warning) or None,
        }


def revocation_question(slave: Slave) -> Message:
    """Given a slave, return what the operator has to agree to. Pure."""
    text = "End every token of {slave}, this master's included? To use it again, it has to be installed and built anew."
    return message(text, slave=slave.slave_id)


def revoke(workplace: Workplace, slave: Slave) -> Revocation:
    """Given a registered slave, end every token it knows. While it can't be reached the revocation is pending."""
    registry = workplace.registry
    registry.pending.begin(slave, PendingKind.REVOKE, datetime.now(UTC))
    try:
        kept = say_revoke(workplace, slave)
    except SlaveUnreachable as error:
        registry.pending.failed(slave.slave_id, str(error.message), datetime.now(UTC))
        registry.record("trust-revoke", slave.slave_id, "pending")
        warning = message(
            "{slave} was not reached ({reason}): its tokens die when it is back. That is tried again by itself.",
            slave=slave.slave_id,
            reason=error.message,
        )
        return Revocation(slave, is_done=False, warning=warning)
    except D8Error as error:
        registry.record("trust-revoke", slave.slave_id, error.exit_code.name.lower())
        raise
    registry.pending.settle(slave.slave_id, PendingKind.REVOKE)
    registry.record("trust-revoke", slave.slave_id, f"done, but its bootstrap: {kept}" if kept else "done")
    return Revocation(slave, is_done=True, warning=bootstrap_is_open(slave, kept) if kept else NOTHING)


def bootstrap_is_open(slave: Slave, reason: Message) -> Message:
    """Given why the token of a slave's bootstrap was not replaced, return what the operator is told. Pure."""
    return message(
        "{slave}: the token of its bootstrap is the old one ({reason}). It is of use during a build and when the agent "
        "can't run. Build the slave anew, or update it and try again.",
        slave=slave.slave_id,
        reason=reason,
    )


def say_revoke(workplace: Workplace, slave: Slave) -> Message:
    """Tell the slave; return why its bootstrap's token could not be ended with the agent's, or NOTHING. A token that
    the agent knows no more is as dead as it can be: its answer got lost before.

    Raises SlaveUnreachable, or Refused when another server answers there.
    """
    try:
        client = connect_to_slave(slave, workplace.settings, workplace.registry)
        try:
            kept = renew_rescue_token(workplace, client, slave)  # by one that is forgotten below
            client.revoke()
        finally:
            client.close()
    except TokenRefused:
        kept = NOTHING
    for kind in OWN_SERVERS:
        workplace.registry.drop_credentials(slave.slave_id, kind, kept="")
    header_file(workplace, slave).unlink(missing_ok=True)
    return kept
