"""Asks a port who answers: GET /api/health, with the certificate compared to the ones that are ours."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import time
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
class Said:
    """What a call got: its HTTP status (0: nobody of ours was there to be asked) and the JSON object of the answer."""

    status: int
    document: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """How to reach the server on this host. `bind` as in the settings; timeout in seconds."""

    bind: str
    port: int
    tls: bool
    timeout_seconds: float = 3.0

    def look(self, known_fingerprints: Collection[str]) -> Answer:
        """Return who answers. Whose certificate is not among `known_fingerprints` is a stranger (not with TLS off)."""
        try:
            fingerprint, reply = self._ask()
        except OSError as problem:
            return Answer(Mode.NOBODY, problem=f"{type(problem).__name__}: {problem}")
        try:
            head, _, body = reply.partition(b"\r\n\r\n")
            is_ok = head.split()[1] == b"200"
            health = json.loads(body)
            mode = Mode(health["mode"]) if is_ok else Mode.STRANGER
        except (ValueError, KeyError, TypeError, IndexError) as problem:
            return Answer(Mode.STRANGER, problem=f"not the health answer of a D8 server ({problem})")
        if self.tls and fingerprint not in known_fingerprints:
            return Answer(Mode.STRANGER, fingerprint=fingerprint, problem="its certificate is not one of ours")
        return Answer(mode, health.get("commit"), fingerprint, health=health)

    def call(self, path: str, known_fingerprints: Collection[str], token: str | None = None) -> Said:
        """Given a path of the API, return what a GET of it gets. The token goes to nobody but to our own server."""
        try:
            _, reply = self._ask(path, token, known_fingerprints if self.tls else None)
            head, _, body = reply.partition(b"\r\n\r\n")
            document = json.loads(body)
            return Said(int(head.split()[1]), document if isinstance(document, dict) else {})
        except (OSError, ValueError, IndexError):
            return Said(0)

    def _ask(
        self, path: str = "/api/health", token: str | None = None, known: Collection[str] | None = None
    ) -> tuple[str | None, bytes]:
        """The certificate's fingerprint and all that was said; nothing is said to one that is not among the known.

        Raises OSError when it takes too long altogether.
        """
        deadline = time.monotonic() + self.timeout_seconds
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.bind, self.bind)
        plain = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        # Wrapped before it connects: the library forgets to close a socket that is reset while it is being wrapped.
        with _unverified().wrap_socket(plain) if self.tls else plain as link:
            link.settimeout(self.timeout_seconds)
            link.connect((address, self.port))
            certificate = link.getpeercert(binary_form=True) if isinstance(link, ssl.SSLSocket) else None
            fingerprint = hashlib.sha256(certificate).hexdigest() if certificate else None
            if known is not None and fingerprint not in known:
                raise ConnectionError("its certificate is not one of ours")
            credential = f"Authorization: Bearer {token}\r\n" if token else ""
            request = f"GET {path} HTTP/1.1\r\nHost: localhost:{self.port}\r\n{credential}Connection: close\r\n\r\n"
            return fingerprint, _exchange(link, request.encode("ascii"), deadline)


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


def _exchange(link: socket.socket, request: bytes, deadline: float) -> bytes:
    """Send the request and return the whole reply. Raises TimeoutError at the deadline, however slowly it drips."""
    link.sendall(request)
    reply = b""
    while len(reply) < LONGEST_ANSWER_BYTES:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not end in time")
        link.settimeout(left)
        part = link.recv(LONGEST_ANSWER_BYTES)
        if not part:
            break
        reply += part
    return reply


def _unverified() -> ssl.SSLContext:
    """The fingerprint is compared instead of the chain, and nothing secret is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
