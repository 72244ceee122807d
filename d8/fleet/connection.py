"""From an address to a client for the server behind it: which certificate is there, which token belongs to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from d8.errors import Refused, TokenRefused
from d8.fleet.agent_client import SlaveClient
from d8.fleet.handshake import presented_fingerprint
from d8.fleet.names import Address
from d8.fleet.registry import Registry
from d8.models import Credential, CredentialKind, Slave
from d8.settings import Settings


class OtherServer(Refused):
    """Another server than the wanted slave's answers at its address."""


class TrustEnded(TokenRefused):
    """Every token of the slave was ended, this master's too: `trust SLAVE revoke`."""


OWN_SERVERS = frozenset({CredentialKind.AGENT, CredentialKind.RESCUE})
PLAIN = "plain:"  # in place of a fingerprint, for servers without TLS


def connect(address: Address, settings: Settings, registry: Registry) -> SlaveClient:
    """Given an address, return a client with the credential that belongs to the server found there.

    Raises SlaveUnreachable when nobody answers, Refused when the certificate is unknown or its installer has expired.
    """
    if not settings.tls:
        return _connect_plain(address, settings, registry)
    fingerprint = presented_fingerprint(address, settings.connect_timeout_seconds)
    credential = registry.credential(fingerprint)
    if credential is None:
        here = _registered_at(address, registry)
        if here and all(is_trust_ended(slave, registry) for slave in here):
            raise trust_ended(here[0])
        raise Refused(
            "{address} presents a certificate that this master never made (SHA-256 {start}…)",
            "Nothing was sent. Run an installer of this master on it (option 10).",
            address=address,
            start=fingerprint[:16],
        )
    if credential.expires and _has_expired(credential):
        raise Refused(
            "the installer used on {address} expired on {moment} UTC",
            "Generate a new one (option 10) and run it on the slave.",
            address=address,
            moment=f"{credential.expires:%Y-%m-%d %H:%M}",
        )
    if credential.next_token and (client := _let_in(address, [credential], settings)) is not None:
        return client
    return SlaveClient(address, credential, tls=True, connect_timeout=settings.connect_timeout_seconds)


def connect_to_slave(
    slave: Slave,
    settings: Settings,
    registry: Registry,
    kinds: frozenset[CredentialKind] = frozenset({CredentialKind.AGENT}),
) -> SlaveClient:
    """Given a registered slave and which of its servers may answer, return a client for that slave's own server.

    Addresses change hands, and an installer's key pair is on many machines: neither the server of another slave nor a
    fresh bootstrap is taken for this one. Raises OtherServer before anything is sent; else like connect.
    """
    address = Address(slave.address, slave.port)
    if not settings.tls:
        return _connect_plain(address, settings, registry, slave, kinds)
    try:
        client = connect(address, settings, registry)
    except Refused as error:
        if not is_trust_ended(slave, registry):
            raise
        raise trust_ended(slave) from error
    found = client.credential
    if found is not None and found.slave_id == slave.slave_id and found.kind in kinds:
        return client
    client.close()
    if found is None or found.slave_id is None:
        raise OtherServer(
            "a fresh bootstrap answers at the address of {slave}, not its agent",
            "Build it (option 11) if it was set up anew. Nothing was sent.",
            slave=slave.slave_id,
        )
    if found.slave_id != slave.slave_id:
        raise OtherServer(
            "{other} answers at the address of {slave}",
            "Their addresses have changed: build each at its present address (option 11). Nothing was sent.",
            other=found.slave_id,
            slave=slave.slave_id,
        )
    raise OtherServer(
        "the bootstrap answers on {slave}, not the agent",
        "Build it again (option 11). Nothing was sent.",
        slave=slave.slave_id,
    )


def is_trust_ended(slave: Slave, registry: Registry) -> bool:
    """Given a registered slave, tell whether its tokens were ended, which the slave has acknowledged."""
    return not registry.credentials(CredentialKind.AGENT, slave.slave_id)


def trust_ended(slave: Slave) -> TrustEnded:
    """Given such a slave, return what the operator is told. Pure."""
    return TrustEnded(
        "the trust in {slave} was ended: this master has no token for it",
        "To use it again: sh install_slave_….sh --uninstall there, then install and build it (options 10 and 11).",
        slave=slave.slave_id,
    )


def _registered_at(address: Address, registry: Registry) -> list[Slave]:
    return [one for one in registry.slaves() if (one.address, one.port) == (address.host, address.port)]


def _connect_plain(
    address: Address,
    settings: Settings,
    registry: Registry,
    slave: Slave | None = None,
    kinds: frozenset[CredentialKind] = frozenset(CredentialKind),
) -> SlaveClient:
    """Without TLS nothing proves who answers: the token goes by what the open health answer says the server is."""
    probe = SlaveClient(address, None, tls=False, connect_timeout=settings.connect_timeout_seconds)
    try:
        mode = probe.health().get("mode")
    finally:
        probe.close()
    here = _registered_at(address, registry)
    owner = slave or (here[0] if here else None)
    kind = CredentialKind.AGENT if mode == "agent" else CredentialKind.RESCUE
    candidates = registry.credentials(kind, owner.slave_id) if owner and kind in kinds else []
    if slave is None:
        candidates = [*candidates, *registry.credentials(CredentialKind.INSTALLER)]
    usable = [one for one in candidates if one.fingerprint.startswith(PLAIN) and not _has_expired(one)]
    if (client := _let_in(address, usable, settings)) is not None:
        return client
    if mode == "agent" and owner and is_trust_ended(owner, registry):
        raise trust_ended(owner)
    raise TokenRefused(
        "{address} accepts none of this master's tokens",
        "Run an installer of this master on it (option 10).",
        address=address,
    )


def _let_in(address: Address, candidates: Iterable[Credential], settings: Settings) -> SlaveClient | None:
    """Given credentials of the server at an address, return a client with the first that it takes, None if it takes
    none. Where another token was on its way to the slave, both are tried.
    """
    for credential in candidates:
        for token in (credential.token, credential.next_token):
            if token is None:
                continue
            known = replace(credential, token=token)
            client = SlaveClient(address, known, tls=settings.tls, connect_timeout=settings.connect_timeout_seconds)
            try:
                if "host" in client.health():
                    return client
            except Refused:
                pass
            client.close()
    return None


def _has_expired(credential: Credential) -> bool:
    return credential.expires is not None and credential.expires < datetime.now(UTC)
