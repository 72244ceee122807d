"""Makes credentials for slaves: a certificate of the fleet and a token, remembered before anything of them is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from d8.fleet.connection import PLAIN
from d8.fleet.registry import Registry
from d8.fleet.trust import FleetAuthority, ends_of, fingerprint, new_token, token_hash
from d8.models import Credential, CredentialKind, KeyPair

LOOPBACK = ("localhost", "127.0.0.1", "::1")


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


def host_names(address: str, hostname: str, addresses: Sequence[str]) -> list[str]:
    """Given where a slave was reached, its name and its own addresses, return all by which it may be called. Pure."""
    return [address, *addresses, *([hostname, f"{hostname}.local"] if hostname else [])]
