"""From an address to a client for the server behind it: which certificate is there, which token belongs to it."""

from __future__ import annotations

from datetime import UTC, datetime

from d8.errors import Refused
from d8.fleet.agent_client import SlaveClient, presented_fingerprint
from d8.fleet.names import Address
from d8.fleet.registry import Registry
from d8.models import Credential, CredentialKind
from d8.settings import Settings

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
    return SlaveClient(address, credential, tls=True, connect_timeout=settings.connect_timeout_seconds)


def _connect_plain(address: Address, settings: Settings, registry: Registry) -> SlaveClient:
    """Without TLS nothing proves who answers: the token goes by what the open health answer says the server is."""
    options = {"tls": False, "connect_timeout": settings.connect_timeout_seconds}
    probe = SlaveClient(address, None, tls=False, connect_timeout=settings.connect_timeout_seconds)
    try:
        mode = probe.health().get("mode")
    finally:
        probe.close()
    known = [
        slave.slave_id for slave in registry.slaves() if (slave.address, slave.port) == (address.host, address.port)
    ]
    candidates: list[Credential] = []
    if mode == "agent" and known:
        candidates = registry.credentials(CredentialKind.AGENT, known[0])
    elif known:
        candidates = registry.credentials(CredentialKind.RESCUE, known[0])
    candidates = [*candidates, *registry.credentials(CredentialKind.INSTALLER)]
    for credential in candidates:
        if not credential.fingerprint.startswith(PLAIN) or _has_expired(credential):
            continue
        client = SlaveClient(address, credential, **options)  # type: ignore[arg-type]
        try:
            if "host" in client.health():
                return client
        except Refused:
            pass
        client.close()
    raise Refused(
        "{address} accepts none of this master's tokens",
        "Run an installer of this master on it (option 10).",
        address=address,
    )


def _has_expired(credential: Credential) -> bool:
    return credential.expires is not None and credential.expires < datetime.now(UTC)
