"""Option 16: takes the agent off a slave, then forgets the slave; in this order, so that no agent is left unknown.

What can't be taken off now, because the slave is off, is owed: catch_up tries it again until the slave has answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from d8.actions.rotation import header_file
from d8.actions.workplace import Workplace
from d8.errors import D8Error, Refused, SlaveUnreachable, UsageError
from d8.fleet.connection import OWN_SERVERS, connect, connect_to_slave, is_trust_ended
from d8.fleet.handshake import presented_fingerprint
from d8.fleet.names import Address
from d8.messages import NOTHING, Message, message
from d8.models import PendingKind, Slave

GONE_WITHIN_SECONDS = 60.0
PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Removal:
    """What became of a slave: `is_uninstalled` says whether the agent is proved to be gone, `is_pending` that this is
    tried again until it is, `apps_removed` how many apps went with it (None: nobody said).
    """

    slave: Slave
    is_uninstalled: bool
    warning: Message = NOTHING
    is_pending: bool = False
    apps_removed: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the object of `remove --json`."""
        return {
            "slave_id": self.slave.slave_id,
            "uninstalled": self.is_uninstalled,
            "forgotten": not self.is_pending,
            "pending": self.is_pending,
            "apps_removed": self.apps_removed,
            "warning": str(self.warning) or None,
        }


def remove_slave(workplace: Workplace, name: str, forget: bool, sleep: Callable[[float], None] = time.sleep) -> Removal:
    """Given a slave's name, uninstall its agent and forget it. One that can't be reached leaves the fleet, and its
    removal is owed to it; one whose trust was ended leaves it at once. Raises D8Error and changes nothing when the
    slave refuses.

    With `forget` the slave is forgotten in any case; its agent then keeps running with a token that nobody has any
    more.
    """
    slave = find_removable(workplace, name)
    if is_trust_ended(slave, workplace.registry):
        return _let_go(workplace, slave)
    warning, apps = NOTHING, None
    before = workplace.registry.pending.find(slave.slave_id)
    workplace.registry.pending.begin(slave, PendingKind.REMOVE, datetime.now(UTC))
    try:
        apps = take_off(workplace, slave, sleep)
    except D8Error as error:
        if not forget and isinstance(error, SlaveUnreachable):
            return _owe(workplace, slave, error)
        if not forget:
            workplace.registry.pending.settle(slave.slave_id)
            if before is not None:
                workplace.registry.pending.begin(slave, before.kind, before.since)
            workplace.registry.record("remove", slave.slave_id, error.exit_code.name.lower())
            raise _explained(error, slave) from error
        warning = message(
            "{slave} was forgotten, not cleaned ({reason}): its agent may still run. Remove it there by hand.",
            slave=slave.slave_id,
            reason=error.message,
        )
    _forget(workplace, slave, "forgotten" if warning else "uninstalled")
    return Removal(slave, not warning, warning, apps_removed=apps)


def find_removable(workplace: Workplace, name: str) -> Slave:
    """Given a name, return the registered slave, or the one that has left the fleet and whose removal is owed.

    Raises UsageError.
    """
    try:
        return workplace.registry.slave(name)
    except UsageError:
        if (pending := workplace.registry.pending.find(name)) is None:
            raise
        return pending.slave


def _let_go(workplace: Workplace, slave: Slave) -> Removal:
    """Given a slave whose tokens were all ended, let it leave the fleet: there is nothing that could still be said."""
    _forget(workplace, slave, "forgotten: its trust was ended before")
    warning = message(
        "{slave} left the fleet. Its trust was ended before, so that this master can't take its agent off: on it run "
        "sh install_slave_….sh --uninstall",
        slave=slave.slave_id,
    )
    return Removal(slave, is_uninstalled=False, warning=warning)


def _forget(workplace: Workplace, slave: Slave, result: str) -> None:
    workplace.registry.remove_slave(slave.slave_id)
    workplace.registry.pending.settle(slave.slave_id)
    header_file(workplace, slave).unlink(missing_ok=True)
    workplace.registry.record("remove", slave.slave_id, result)


def _owe(workplace: Workplace, slave: Slave, error: SlaveUnreachable) -> Removal:
    """Given a slave that was not reached, let it leave the fleet; its removal stays written down with its token."""
    registry = workplace.registry
    registry.remove_slave(slave.slave_id, keeps_credentials=True)
    header_file(workplace, slave).unlink(missing_ok=True)
    registry.pending.failed(slave.slave_id, str(error.message), datetime.now(UTC))
    registry.record("remove", slave.slave_id, "pending")
    warning = message(
        "{slave} left the fleet, but was not reached ({reason}): its agent is removed when it is back. That is tried "
        "again by itself.",
        slave=slave.slave_id,
        reason=error.message,
    )
    return Removal(slave, is_uninstalled=False, warning=warning, is_pending=True)


def take_off(workplace: Workplace, slave: Slave, sleep: Callable[[float], None] = time.sleep) -> int | None:
    """Given a slave, uninstall its agent and see that it is gone; return how many apps went with it, None where the
    agent does not say. Raises D8Error.
    """
    address = Address(slave.address, slave.port)
    client = connect_to_slave(slave, workplace.settings, workplace.registry, OWN_SERVERS)
    try:
        if client.health().get("mode") != "agent":
            raise Refused(
                "the bootstrap answers on {slave}, not the agent",
                "On the slave run: sh install_slave_….sh --uninstall. Then remove it with --forget.",
                slave=slave.slave_id,
            )
        apps = client.uninstall().get("apps_removed")
    finally:
        client.close()
    _wait_until_gone(workplace, address, sleep)
    return apps if isinstance(apps, int) else None


def _wait_until_gone(workplace: Workplace, address: Address, sleep: Callable[[float], None]) -> None:
    """The reply only says that it began: wait until nobody answers on the port any more."""
    deadline = time.monotonic() + GONE_WITHIN_SECONDS
    while time.monotonic() < deadline:
        try:
            if workplace.settings.tls:
                presented_fingerprint(address, workplace.settings.connect_timeout_seconds)
            else:
                connect(address, workplace.settings, workplace.registry).close()
        except SlaveUnreachable:
            return
        sleep(PAUSE_SECONDS)
    raise D8Error(
        "{address} still answers after its agent was told to remove itself",
        "Look at it: journalctl -u d8-agent on the slave. Then try again, or use --forget.",
        address=address,
    )


def _explained(error: D8Error, slave: Slave) -> D8Error:
    """The same failure, with what can be done about it."""
    if not isinstance(error, Refused):
        return error
    return type(error)(
        "{slave} was not removed: {reason}",
        "Bring it back and try again; or forget it with --forget: its agent then keeps running, unmanaged.",
        slave=slave.slave_id,
        reason=error.message,
    )
