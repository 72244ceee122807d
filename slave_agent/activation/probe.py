"""Asks a port who answers: GET /api/health, with the certificate compared to the ones that are ours."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import socket
import ssl
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slave_agent.activation.files import read_small
from slave_agent.activation.states import Mode

LONGEST_ANSWER_BYTES = 65536


@dataclass(frozen=True)
class Answer:
    """Who answered, with which commit and certificate; `problem` says why nobody did."""

    mode: Mode
    commit: str | None = None
    fingerprint: str | None = None
    problem: str = ""
    health: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """How to reach the server on this host. `bind` as in the settings; timeout in seconds."""

    bind: str
    port: int
    tls: bool
    timeout_seconds: float = 3.0

    def look(self, known_fingerprints: Collection[str]) -> Answer:
        """Return who answers. A certificate outside `known_fingerprints` is a stranger's (with TLS off, nobody's is checked)."""
        connection = self._connection()
        try:
            connection.request("GET", "/api/health", headers={"Host": self._host_header()})
            fingerprint = _fingerprint(connection)
            reply = connection.getresponse()
            health = json.loads(reply.read(LONGEST_ANSWER_BYTES))
            mode = Mode(health["mode"]) if reply.status == 200 else Mode.STRANGER
        except (OSError, http.client.HTTPException) as problem:
            return Answer(Mode.NOBODY, problem=f"{type(problem).__name__}: {problem}")
        except (ValueError, KeyError, TypeError) as problem:
            return Answer(Mode.STRANGER, problem=f"not the health answer of a D8 server ({problem})")
        finally:
            connection.close()
        if self.tls and fingerprint not in known_fingerprints:
            return Answer(Mode.STRANGER, fingerprint=fingerprint, problem="its certificate is not one of ours")
        return Answer(mode, health.get("commit"), fingerprint, health=health)

    def _connection(self) -> http.client.HTTPConnection:
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.bind, self.bind)
        if not self.tls:
            return http.client.HTTPConnection(address, self.port, timeout=self.timeout_seconds)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the fingerprint is compared instead, and nothing secret is sent
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(address, self.port, timeout=self.timeout_seconds, context=context)

    def _host_header(self) -> str:
        return f"localhost:{self.port}"


def fingerprint_of(certificate: Path) -> str | None:
    """Given a PEM file, return the SHA-256 of its first certificate (hex of the DER), or None if there is none."""
    with contextlib.suppress(OSError, ValueError):
        text = read_small(certificate)
        first = text[: text.index("-----END CERTIFICATE-----") + 25]
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()
    return None


def free_loopback_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _fingerprint(connection: http.client.HTTPConnection) -> str | None:
    if isinstance(connection.sock, ssl.SSLSocket):
        certificate = connection.sock.getpeercert(binary_form=True)
        return hashlib.sha256(certificate or b"").hexdigest()
    return None
