"""Where connections come in: one task that accepts, a deadline for silence, room kept for newcomers, TLS or a word on
plain HTTP.

It knows nothing of HTTP beyond that one answer. uvicorn can't look at a connection's first byte before its TLS
handshake, nor bound it: that is why the accepting is done here.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from asyncio import sslproto
from collections.abc import Callable, Sequence

FIRST_BYTE_SECONDS = 10.0
HANDSHAKE_SECONDS = 10.0
FAREWELL_SECONDS = 0.5  # for the client's half of the TLS farewell; idle clients must not hold a stop up
CONNECTIONS_AT_MOST = 400
_OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_TLS_HANDSHAKE_RECORD = 0x16

# asyncio sets 256 KiB aside for each TLS connection: 200 idle clients took 54 MB. A TLS record has at most 16 KiB.
sslproto.SSLProtocol.max_size = 32 * 1024

_log = logging.getLogger(__name__)


class Door:
    """Accepts on the given listening sockets and gives each connection a new protocol, inside TLS if `tls` returns a
    context.

    `tls` is asked at every connection, so that a new certificate is in force from the next one on. `make_room` is
    called when there are too many connections, and closes one that is of no use.
    """

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        new_protocol: Callable[[], asyncio.Protocol],
        tls: Callable[[], ssl.SSLContext | None],
        count_connections: Callable[[], int],
        make_room: Callable[[], None],
    ) -> None:
        self._new_protocol = new_protocol
        self._tls = tls
        self._count_connections = count_connections
        self._make_room = make_room
        self._sockets = sockets
        self._arriving: dict[asyncio.Task[None], None] = {}
        self._accepting = [asyncio.create_task(self._accept(listener)) for listener in sockets]

    def close(self) -> None:
        """Accept no more, and drop the connections whose first request has not begun."""
        for task in (*self._accepting, *self._arriving):
            task.cancel()
        for listener in self._sockets:
            listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno in _OUT_OF_DESCRIPTORS:
                    _log.warning("out of file descriptors or memory for connections: %s", error)
                    self._drop_oldest()
                    await asyncio.sleep(0.1)
                continue
            if len(self._arriving) + self._count_connections() >= CONNECTIONS_AT_MOST:
                self._drop_oldest()
            task = loop.create_task(self._welcome(connection))
            self._arriving[task] = None
            task.add_done_callback(self._arrived)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._arriving.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a connection could not be welcomed", exc_info=error)

    def _drop_oldest(self) -> None:
        """Whoever has been silent for longest makes room; connections that are being served stay."""
        if self._arriving:
            next(iter(self._arriving)).cancel()
        else:
            self._make_room()

    async def _welcome(self, connection: socket.socket) -> None:
        """Given a connection just accepted, hand it over to a protocol or close it."""
        context = self._tls()
        is_handed_over = False
        try:
            connection.setblocking(False)
            connection.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # or head and body wait 40 ms for each other
            if context is not None and await _first_byte(connection) != _TLS_HANDSHAKE_RECORD:
                await _say_https(connection)
                return
            is_handed_over = True  # from here on asyncio closes it, whatever happens
            await self._hand_over(connection, context)
        except OSError as error:  # reset, timeout (TimeoutError is one) or ssl.SSLError: the client's affair
            _log.debug("connection dropped before its first request: %s", error)
        finally:
            if not is_handed_over:
                connection.close()

    async def _hand_over(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        deadlines = {"ssl_handshake_timeout": HANDSHAKE_SECONDS, "ssl_shutdown_timeout": FAREWELL_SECONDS}
        await asyncio.get_running_loop().connect_accepted_socket(
            self._new_protocol, connection, ssl=context, **(deadlines if context else {})
        )


async def _first_byte(connection: socket.socket) -> int | None:
    """Wait for the first byte and leave it where it is; None if the client closed without one."""
    loop = asyncio.get_running_loop()
    is_readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(connection, _resolve, is_readable)
    try:
        async with asyncio.timeout(FIRST_BYTE_SECONDS):
            await is_readable
    finally:
        loop.remove_reader(connection)
    peeked = connection.recv(1, socket.MSG_PEEK)
    return peeked[0] if peeked else None


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _say_https(connection: socket.socket) -> None:
    """Answer a plain HTTP request on the TLS port with the URL that it should have used."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(FIRST_BYTE_SECONDS):
        if await loop.sock_recv(connection, 4096):
            host, port = connection.getsockname()[:2]
            await loop.sock_sendall(connection, wrong_scheme_reply(host, port))
            connection.shutdown(socket.SHUT_WR)


def wrong_scheme_reply(host: str, port: int) -> bytes:
    """Given our own address and port, return the HTTP reply that names the https URL."""
    host = host.removeprefix("::ffff:")
    literal = f"[{host}]" if ":" in host else host
    text = f"This port speaks HTTPS only. Use https://{literal}:{port}/\n"
    head = (
        "HTTP/1.1 400 Bad Request",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(text)}",
        "Connection: close",
    )
    return ("\r\n".join(head) + "\r\n\r\n" + text).encode()
