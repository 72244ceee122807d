"""Somebody between master and slave: passes every byte on and keeps a copy, or answers with its own certificate."""

from __future__ import annotations

import base64
import json
import select
import shlex
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BLOCK_BYTES = 65536


class Relay:
    """Listens on `listen` and connects each caller to `target`; `recorded` is all that passed, both ways.

    With `impostor` (a certificate and key file) it ends TLS itself instead, from the connection of that number on, and
    passes nothing on: `told` is what it heard, in the clear, and `refused` how many gave it nothing but a handshake.
    """

    def __init__(
        self,
        listen: tuple[str, int],
        target: tuple[str, int],
        impostor: tuple[Path, Path] | None = None,
        from_connection: int = 1,
    ) -> None:
        self._target = target
        self._impostor = impostor
        self._honest_ones_left = from_connection - 1 if impostor else None
        self._recorded: list[bytes] = []
        self._told: list[bytes] = []
        self.refused = 0
        self._listener = socket.create_server(listen)
        self.address, self.port = self._listener.getsockname()[:2]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def recorded(self) -> bytes:
        """Every byte that was passed on so far."""
        return b"".join(self._recorded)

    @property
    def told(self) -> bytes:
        """Every byte that was said to the impostor so far."""
        return b"".join(self._told)

    def close(self) -> None:
        """Accept nobody any more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            serve = self._pass_on
            if self._honest_ones_left is not None:
                self._honest_ones_left -= 1
                serve = self._pretend if self._honest_ones_left < 0 else self._pass_on
            threading.Thread(target=serve, args=(caller,), daemon=True).start()

    def _pass_on(self, caller: socket.socket) -> None:
        with caller, suppress(OSError), socket.create_connection(self._target, 10) as callee:
            other = {caller: callee, callee: caller}
            while True:
                for source in select.select([caller, callee], [], [])[0]:
                    block = source.recv(BLOCK_BYTES)
                    if not block:
                        return
                    self._recorded.append(block)
                    other[source].sendall(block)

    def _pretend(self, caller: socket.socket) -> None:
        assert self._impostor is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self._impostor)
        with suppress(OSError), context.wrap_socket(caller, server_side=True) as inside:
            heard = 0
            with suppress(OSError):
                while block := inside.recv(BLOCK_BYTES):
                    self._told.append(block)
                    heard += len(block)
            self.refused += not heard


@contextmanager
def relay(
    target: tuple[str, int],
    listen: tuple[str, int] = ("127.0.0.1", 0),
    impostor: tuple[Path, Path] | None = None,
    from_connection: int = 1,
) -> Iterator[Relay]:
    """A relay for the block."""
    between = Relay(listen, target, impostor, from_connection)
    try:
        yield between
    finally:
        between.close()


def spellings(secret: str) -> list[bytes]:
    """Every way in which a secret could stand there: raw, backwards, JSON, URL, shell, hex, base64 in three shifts."""
    raw = secret.encode()
    found = {
        raw,
        json.dumps(secret).encode(),
        urllib.parse.quote(secret, safe="").encode(),
        shlex.quote(secret).encode(),
    }
    found |= {raw.hex().encode(), raw[::-1]}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        found.add(encoded[4 if shift else 0 : -4])  # without the ends, which depend on the neighbours
    return sorted(found)
