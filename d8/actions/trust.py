"""How a slave is called without this program: a curl line that shows no token, which lies in a 0600 header file."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d8.actions.workplace import Workplace
from d8.files import private_folder, write_private
from d8.fleet.connection import trust_ended
from d8.fleet.names import Address
from d8.fleet.trust import FleetAuthority
from d8.messages import NOTHING, Message
from d8.models import CredentialKind, Slave


@dataclass(frozen=True)
class TrustLine:
    """One slave's header file and the line that uses it; or that the trust in it has ended, and what then."""

    slave_id: str
    header_file: Path | None = None
    command: str = ""
    ended: Message = NOTHING
    advice: Message = NOTHING

    def as_json(self) -> dict[str, Any]:
        """Return this slave's object in `trust --json`."""
        return {
            "slave_id": self.slave_id,
            "header_file": str(self.header_file) if self.header_file else None,
            "command": self.command or None,
            "ended": bool(self.ended),
            "hint": str(self.advice) or None,
        }


@dataclass(frozen=True)
class Trust:
    """The fleet's certificate, which curl and browsers are given once, and a line for each slave."""

    ca_certificate: Path
    lines: tuple[TrustLine, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the object of `trust --json`."""
        return {"ca_certificate": str(self.ca_certificate), "slaves": [line.as_json() for line in self.lines]}


def show_trust(workplace: Workplace, names: tuple[str, ...] = ()) -> Trust:
    """Given slaves' names (none: all), write their header files and return how to call them. Raises UsageError."""
    registry = workplace.registry
    slaves = [registry.slave(name) for name in names] if names else registry.slaves()
    folder = private_folder(workplace.settings.data_dir / "pki")
    authority = FleetAuthority(folder)
    _ = authority.certificate  # made at first use
    return Trust(authority.certificate_path, tuple(_line(workplace, slave, authority) for slave in slaves))


def curl_line(slave: Slave, ca_certificate: Path, header_file: Path) -> str:
    """Given a slave and the two files, return the command, quoted for a shell. Pure."""
    scheme = "https" if slave.tls else "http"
    url = f"{scheme}://{Address(slave.address, slave.port).url}/api/system"
    trust = ["--cacert", str(ca_certificate)] if slave.tls else []
    return shlex.join(["curl", *trust, "-H", f"@{header_file}", url])


def _line(workplace: Workplace, slave: Slave, authority: FleetAuthority) -> TrustLine:
    credentials = workplace.registry.credentials(CredentialKind.AGENT, slave.slave_id)
    if not credentials:
        why = trust_ended(slave)
        return TrustLine(slave.slave_id, ended=why.message, advice=why.hint)
    header = authority.certificate_path.parent / f"{slave.slave_id}.header"
    write_private(header, f"Authorization: Bearer {credentials[0].token}\n")
    return TrustLine(slave.slave_id, header, curl_line(slave, authority.certificate_path, header))
