"""What the master owes to slaves, tried again: begun rotations, revocations and removals of slaves that were off, and
certificates that end soon. Called when the operator looks at the fleet, and on request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from d8.actions.fan_out import fan_out
from d8.actions.remove import take_off
from d8.actions.revocation import say_revoke
from d8.actions.rotation import rotate
from d8.actions.unexpected import unexpected
from d8.actions.workplace import Workplace
from d8.errors import D8Error, TokenRefused
from d8.fleet.trust import AGENT_DAYS, BACKDATED
from d8.messages import Message
from d8.models import Credential, CredentialKind, PendingKind, PendingTrust, Slave

RENEWED_BEFORE_END = timedelta(days=60)
LONGEST_LEFT = timedelta(days=AGENT_DAYS) + BACKDATED  # with more, it was made by a clock that was ahead: not valid yet


@dataclass(frozen=True)
class CaughtUp:
    """One attempt: what it was, and why it failed (None: it is settled)."""

    pending: PendingTrust
    reason: Message | None = None

    @property
    def is_settled(self) -> bool:
        """Whether nothing is owed any more."""
        return self.reason is None

    def as_json(self) -> dict[str, Any]:
        """Return this attempt's object in JSON answers."""
        return self.pending.as_json() | {
            "settled": self.is_settled,
            "reason": None if self.reason is None else str(self.reason),
        }


def catch_up(workplace: Workplace, now: datetime | None = None) -> list[CaughtUp]:
    """Try everything that is owed, at the same time; return how each ended, with what was due without being owed."""
    moment = now or datetime.now(UTC)
    owed = workplace.registry.pending.all()
    known = {one.slave.slave_id for one in owed}
    due = [
        PendingTrust(slave, PendingKind.ROTATE, moment)
        for slave in ending_soon(workplace, moment)
        if slave.slave_id not in known
    ]
    return fan_out(lambda one: _try(workplace, one), [*owed, *due], workplace.settings.fan_out)


def ending_soon(workplace: Workplace, now: datetime) -> list[Slave]:
    """Given the moment, return the slaves whose certificate ends within 60 days, has ended or has not begun."""
    registry = workplace.registry
    newest = {
        slave.slave_id: _newest(registry.credentials(CredentialKind.AGENT, slave.slave_id))
        for slave in registry.slaves()
    }
    return [slave for slave in registry.slaves() if is_due(newest[slave.slave_id], now)]


def is_due(credential: Credential | None, now: datetime) -> bool:
    """Given a slave's credential and the moment, tell whether it is time for a new certificate. Pure."""
    if credential is None or credential.ends is None:
        return False
    return not RENEWED_BEFORE_END <= credential.ends - now <= LONGEST_LEFT


def _newest(credentials: list[Credential]) -> Credential | None:
    return credentials[0] if credentials else None


def _try(workplace: Workplace, pending: PendingTrust) -> CaughtUp:
    slave, registry = pending.slave, workplace.registry
    try:
        _do(workplace, pending)
    except D8Error as error:
        reason = error.message
    except Exception as error:  # a bug with one slave must not take the others' results with it
        reason = unexpected(error)
    else:
        registry.pending.settle(slave.slave_id, pending.kind)
        if pending.kind is not PendingKind.ROTATE:  # a rotation has recorded itself
            registry.record(f"trust-{pending.kind}", slave.slave_id, "done")
        return CaughtUp(pending)
    registry.pending.failed(slave.slave_id, str(reason), datetime.now(UTC))
    return CaughtUp(pending, reason)


def _do(workplace: Workplace, pending: PendingTrust) -> None:
    slave = pending.slave
    if pending.kind is PendingKind.ROTATE:
        rotate(workplace, slave)
    elif pending.kind is PendingKind.REVOKE:
        say_revoke(workplace, slave)
    else:
        try:
            take_off(workplace, slave)
        except TokenRefused:  # it was done already and the answer got lost, or its tokens are dead for another reason
            pass
        workplace.registry.remove_slave(slave.slave_id)
