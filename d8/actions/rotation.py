"""Gives a slave a new certificate and token, its bootstrap a new token, and ends the old ones. Whoever is killed when,
one of the two works, and the master knows which: the new one is stored before it is sent, what was begun is written
down until it is finished.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from d8.actions.fan_out import fan_out
from d8.actions.rescue_token import renew_rescue_token
from d8.actions.unexpected import unexpected
from d8.actions.workplace import Workplace
from d8.build.unfinished import only_builder_of
from d8.errors import D8Error, ExitCode, Refused, SlaveUnreachable
from d8.files import locked, private_folder
from d8.fleet.agent_client import SlaveClient
from d8.fleet.answers import needed
from d8.fleet.connection import connect_to_slave
from d8.fleet.issuing import Issued, host_names, issue
from d8.fleet.names import Address
from d8.fleet.trust import FleetAuthority
from d8.messages import NOTHING, Message
from d8.models import Credential, CredentialKind, PendingKind, Slave

CONFIRM_SECONDS = 30.0
PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Rotation:
    """A slave whose credential was replaced; `ends` is when its new certificate does, None without TLS. `kept` says why
    the bootstrap's token was not replaced with it, NOTHING if it was.
    """

    slave: Slave
    ends: datetime | None
    kept: Message = NOTHING

    def as_json(self) -> dict[str, Any]:
        """Return its object in `trust SLAVE rotate --json`."""
        ends = self.ends.isoformat() if self.ends else None
        kept = str(self.kept) or None
        return {"slave_id": self.slave.slave_id, "rotated": True, "ends": ends, "bootstrap_kept": kept}


@dataclass(frozen=True)
class RotationOutcome:
    """How one of several rotations ended: with a rotation or an error."""

    slave: Slave
    rotation: Rotation | None = None
    error: Message | None = None
    hint: Message | None = None
    exit_code: ExitCode = ExitCode.DONE

    def as_json(self) -> dict[str, Any]:
        """Return this slave's object in `trust SLAVE rotate --json`."""
        if self.rotation is not None:
            return self.rotation.as_json()
        return {
            "slave_id": self.slave.slave_id,
            "rotated": False,
            "error": str(self.error),
            "hint": str(self.hint or "") or None,
        }


def rotate_all(workplace: Workplace, slaves: Sequence[Slave]) -> list[RotationOutcome]:
    """Given slaves, replace the credential of each, at the same time; one that fails leaves the others alone."""
    return fan_out(lambda slave: _outcome(workplace, slave), slaves, workplace.settings.fan_out)


def _outcome(workplace: Workplace, slave: Slave) -> RotationOutcome:
    try:
        return RotationOutcome(slave, rotate(workplace, slave))
    except D8Error as error:
        workplace.registry.record("trust-rotate", slave.slave_id, error.exit_code.name.lower())
        return RotationOutcome(slave, None, error.message, error.hint, error.exit_code)
    except Exception as error:  # a bug with one slave must not take the others' results with it
        return RotationOutcome(slave, None, unexpected(error), None, ExitCode.FAILED)


def rotate(workplace: Workplace, slave: Slave, sleep: Callable[[float], None] = time.sleep) -> Rotation:
    """Given a registered slave, replace its credential. Raises D8Error; what was begun by then is pending and tried
    again. Refused while it is built or updated: who does that goes on with the credential that would be dead.
    """
    settings = workplace.settings
    lock = private_folder(settings.data_dir / "pki") / f".{slave.slave_id}.lock"
    with locked(lock), only_builder_of(settings.data_dir / "build_logs", Address(slave.address, slave.port)):
        client = connect_to_slave(slave, settings, workplace.registry)
        try:
            hosts = _hosts_of(slave, client, workplace.registry.slaves_besides(slave.slave_id))
            workplace.registry.pending.begin(slave, PendingKind.ROTATE, datetime.now(UTC))
            kept = renew_rescue_token(workplace, client, slave)
            issued = _enrol(workplace, client, slave, hosts)
        finally:
            client.close()
        _prove_and_confirm(workplace, slave, issued.credential, sleep)
        workplace.registry.drop_credentials(slave.slave_id, CredentialKind.AGENT, issued.credential.fingerprint)
        workplace.registry.pending.settle(slave.slave_id, PendingKind.ROTATE)
    header_file(workplace, slave).unlink(missing_ok=True)  # it holds the old token; `trust` writes the new one
    workplace.registry.record("trust-rotate", slave.slave_id, f"done, but its bootstrap: {kept}" if kept else "done")
    return Rotation(slave, issued.credential.ends, kept)


def _enrol(workplace: Workplace, client: SlaveClient, slave: Slave, hosts: list[str]) -> Issued:
    authority = FleetAuthority(workplace.settings.data_dir / "pki")
    issued = issue(
        workplace.registry, authority, CredentialKind.AGENT, slave.slave_id, hosts, tls=workplace.settings.tls
    )
    client.enroll(issued.enrolment(authority, workplace.settings.tls))
    return issued


def _prove_and_confirm(
    workplace: Workplace, slave: Slave, credential: Credential, sleep: Callable[[float], None]
) -> None:
    """With the new credential alone: the same machine answers, and from then on the old token is dead."""
    settings = workplace.settings
    client = SlaveClient(
        Address(slave.address, slave.port),
        credential,
        tls=settings.tls,
        connect_timeout=settings.connect_timeout_seconds,
    )
    deadline = time.monotonic() + CONFIRM_SECONDS
    try:
        while True:
            try:
                _refuse_other_machine(slave, client.system())
                client.confirm()
                return
            except SlaveUnreachable:  # safe to repeat: confirming twice is confirming once
                if time.monotonic() > deadline:
                    raise
                sleep(PAUSE_SECONDS)
    finally:
        client.close()


def _refuse_other_machine(slave: Slave, system: dict[str, Any]) -> None:
    if system.get("machine_id") != slave.machine_id:
        raise Refused(
            "another machine than {slave} took its new credential",
            "Look at who holds the address {address}; then build the slave again (option 11).",
            slave=slave.slave_id,
            address=slave.address,
        )


def _hosts_of(slave: Slave, client: SlaveClient, others: Sequence[Slave]) -> list[str]:
    """What the slave may be called now. Raises Refused before anything is sent if it is another machine."""
    system = client.system()
    _refuse_other_machine(slave, system)
    found = client.read(
        200, lambda said: (needed(said, "hostname", str), [str(one) for one in needed(said, "addresses", list)]), system
    )
    hostname, addresses = found
    return host_names(slave.address, hostname, addresses, others)


def header_file(workplace: Workplace, slave: Slave) -> Path:
    """Where curl's header with the slave's token lies."""
    return workplace.settings.data_dir / "pki" / f"{slave.slave_id}.header"
