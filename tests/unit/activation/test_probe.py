"""Who answers on a port: real sockets, real TLS."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from slave_agent.activation.probe import Probe, fingerprint_of, free_loopback_port
from slave_agent.activation.states import Mode
from tests.support.pki import CertificateAuthority

AGENT = b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps({"mode": "agent", "commit": "a" * 40}).encode()
PAIR = CertificateAuthority().issue()


@contextmanager
def server(reply: bytes, tls_folder: Path | None = None, pause_seconds: float = 0.0) -> Iterator[int]:
    """A server of one connection at a time that says `reply`, byte by byte where there is a pause."""
    listener = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()

    def serve() -> None:
        while not is_over.is_set():
            with suppress(OSError), listener.accept()[0] as raw, _secured(raw, tls_folder) as link:
                link.recv(4096)
                for part in [reply[at : at + 1] for at in range(len(reply))] if pause_seconds else [reply]:
                    link.sendall(part)
                    if is_over.wait(pause_seconds):
                        break

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        is_over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _secured(raw: socket.socket, folder: Path | None) -> socket.socket:
    if folder is None:
        return raw
    (folder / "crt").write_text(PAIR.certificate)
    (folder / "key").write_text(PAIR.private_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "crt", folder / "key")
    return context.wrap_socket(raw, server_side=True)


def test_an_agent_with_a_known_certificate(tmp_path: Path) -> None:
    with server(AGENT, tmp_path) as port:
        answer = Probe("127.0.0.1", port, tls=True).look({PAIR.fingerprint})
    assert (answer.mode, answer.commit, answer.fingerprint) == (Mode.AGENT, "a" * 40, PAIR.fingerprint)


def test_somebody_else_who_says_that_he_is_the_agent(tmp_path: Path) -> None:
    with server(AGENT, tmp_path) as port:
        answer = Probe("127.0.0.1", port, tls=True).look({"0" * 64})
    assert answer.mode is Mode.STRANGER and "certificate" in answer.problem


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\n\r\n<html>",
        b"HTTP/1.1 503 No\r\n\r\n" + json.dumps({"mode": "agent"}).encode(),
        b"HTTP/1.1 200 OK\r\n\r\n[]",
        b'HTTP/1.1 200 OK\r\n\r\n{"mode": "king"}',
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
)
def test_what_is_no_health_answer(reply: bytes) -> None:
    with server(reply) as port:
        assert Probe("127.0.0.1", port, tls=False).look(set()).mode is Mode.STRANGER


def test_a_closed_port_is_nobody() -> None:
    assert Probe("127.0.0.1", free_loopback_port(), tls=True).look(set()).mode is Mode.NOBODY


def test_a_dripping_answer_ends_at_the_deadline() -> None:
    with server(AGENT, pause_seconds=0.2) as port:
        started = time.monotonic()
        answer = Probe("127.0.0.1", port, tls=False, timeout_seconds=0.6).look(set())
    assert answer.mode is Mode.NOBODY
    assert time.monotonic() - started < 3


def test_the_fingerprint_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "crt"
    path.write_text(PAIR.certificate + PAIR.certificate)
    assert fingerprint_of(path) == PAIR.fingerprint
    path.write_text("nonsense")
    assert fingerprint_of(path) is None
    assert fingerprint_of(tmp_path / "missing") is None
