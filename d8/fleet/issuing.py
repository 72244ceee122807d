"""Makes credentials for slaves: a certificate of the fleet and a token, remembered before anything of them is sent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

from d8.fleet.connection import PLAIN
from d8.fleet.registry import Registry
from d8.fleet.trust import FleetAuthority, ends_of, fingerprint, new_token, token_hash
from d8.host_names import ip_of
from d8.models import Credential, CredentialKind, KeyPair, Slave

LOOPBACK = ("localhost", "127.0.0.1", "::1")
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# Nobody in the internet has one of these: private, shared (also VPNs), link-local.
INNER = tuple(
    map(
        ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10"),
    )
)
MOST_ADDRESSES = 50


@dataclass(frozen=True)
class Issued:
    """A credential that the master made for a slave, with the key pair that travels to it."""

    credential: Credential
    key_pair: KeyPair = field(repr=False)

    def enrolment(self, authority: FleetAuthority, tls: bool, begins_anew: bool = False) -> dict[str, Any]:
        """Given the authority that signed it, whether the slave speaks TLS and whether it is a build's, which ends the
        tokens of others, return the body of enroll. Agents of earlier versions know no `begins_anew`.
        """
        return {
            "slave_id": self.credential.slave_id,
            "token_sha256": token_hash(self.credential.token),
            "certificate": self.key_pair.certificate if tls else None,
            "private_key": self.key_pair.private_key if tls else None,
            "ca_certificate": authority.certificate if tls else None,
            **({"begins_anew": True} if begins_anew else {}),
        }


def issue(
    registry: Registry, authority: FleetAuthority, kind: CredentialKind, slave_id: str, hosts: Sequence[str], tls: bool
) -> Issued:
    """Given a slave and every address and name by which it is reached, make a credential for it and remember it."""
    pair = authority.issue(slave_id, [*hosts, *LOOPBACK])
    token = new_token()
    credential = Credential(
        kind=kind,
        fingerprint=fingerprint(pair.certificate) if tls else f"{PLAIN}{token_hash(token)}",
        token=token,
        slave_id=slave_id,
        authority=fingerprint(authority.certificate) if tls else None,
        ends=ends_of(pair.certificate) if tls else None,
    )
    registry.save_credential(credential, datetime.now(UTC))
    return Issued(credential, pair)


def host_names(named: str, hostname: str, addresses: Sequence[str], others: Sequence[Slave]) -> list[str]:
    """Given the address by which the operator named a slave, what the slave says of its name and its addresses, and
    the other registered slaves, return what its certificate is for. Pure.

    The slave holds the certificate's key, and browsers trust the fleet: what it says of itself must not make it a host
    of the internet or another slave. So of its name one label counts, and of its addresses the inner ones.
    """
    label = _label(hostname)
    taken = {name for slave in others for name in (slave.address, _label(slave.hostname))}
    said = [*filter(_is_inner, addresses[:MOST_ADDRESSES]), *([label, f"{label}.local"] if label else [])]
    return [named, *(name for name in said if name not in taken and name.removesuffix(".local") not in taken)]


def _label(hostname: str) -> str:
    """The first label of a host's name; nothing where it is none that every certificate can hold."""
    label = hostname.split(".")[0].lower()
    return label if LABEL.fullmatch(label) else ""


def _is_inner(address: str) -> bool:
    ip = ip_of(address)
    return ip is not None and str(ip) == address and "%" not in address and any(ip in network for network in INNER)
