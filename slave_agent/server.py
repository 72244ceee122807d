"""uvicorn, as this agent runs it: our own door before it, deadlines on headers and on stuck readers, systemd told how
it goes.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from slave_agent.asgi import HEADER_BYTES
from slave_agent.door import Door
from slave_agent.systemd_link import SystemdLink

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGISendEvent

HEADER_SECONDS = 10.0
STUCK_READER_SECONDS = 60.0
KEEP_ALIVE_SECONDS = 30
SOCKET_BUFFER_BYTES = 64 * 1024
_TCP_NOTSENT_LOWAT = 25  # Linux's; Python names it from 3.12 on
SOCKET_MESSAGE_BYTES = 4096  # of what a client sends; nothing of it is used
FINISH_SECONDS = 4  # the unit's TimeoutStopSec is 5
LAST_WORD_SECONDS = 0.2  # for those that were cut off then


class DeadlineProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with a deadline for the request's head, and one for a client that does not read its answer."""

    _head_deadline: asyncio.TimerHandle | None = None
    _reader_deadline: asyncio.TimerHandle | None = None

    @property
    def is_serving(self) -> bool:
        """Whether a request is being answered on this connection."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        keep_little_unsent(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._head_deadline = _cancelled(self._head_deadline)
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_deadline = _cancelled(self._head_deadline)
        self._reader_deadline = _cancelled(self._reader_deadline)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader_deadline = self.loop.call_later(STUCK_READER_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._reader_deadline = _cancelled(self._reader_deadline)
        super().resume_writing()

    def _watch_head(self) -> None:
        """Every head has the same time from its first byte on (the first: from the connection on), however it drips
        in.
        """
        is_waiting_for_head = self.conn.their_state is h11.IDLE and not self.transport.is_closing()
        if not is_waiting_for_head:
            self._head_deadline = _cancelled(self._head_deadline)
        elif self._head_deadline is None:
            self._head_deadline = self.loop.call_later(HEADER_SECONDS, self.transport.abort)


class PatientSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket that keeps little for a client that does not read, and does not wait for it for ever."""

    _reader_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        keep_little_unsent(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._reader_deadline = _cancelled(self._reader_deadline)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader_deadline = self.loop.call_later(STUCK_READER_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._reader_deadline = _cancelled(self._reader_deadline)
        super().resume_writing()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()

    async def send(self, message: ASGISendEvent) -> None:
        """Returns when the client has read enough to be sent more: whoever sends makes nothing ready before that."""
        await super().send(message)
        await self.writable.wait()
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # answered in full: uvicorn would call that an error of the application


class AgentServer(uvicorn.Server):
    """Serves an ASGI application on sockets that already listen. `tls` gives the context for the next connection,
    None for plain HTTP. `on_stop` is called after the last answer: uvicorn then ends the process by the signal that
    stopped it, and nothing that stands behind `run` happens.
    """

    def __init__(
        self,
        application: ASGI3Application,
        tls: Callable[[], ssl.SSLContext | None],
        link: SystemdLink,
        on_stop: Callable[[], None],
    ) -> None:
        self._tls = tls
        self._link = link
        self._on_stop = on_stop
        self._door: Door | None = None
        self._stop_began: float | None = None
        super().__init__(
            uvicorn.Config(
                application,
                loop="asyncio",
                http=DeadlineProtocol,
                ws=PatientSocketProtocol,
                ws_max_size=SOCKET_MESSAGE_BYTES,
                ws_per_message_deflate=False,
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                server_header=False,
                headers=[("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff")],
                proxy_headers=False,  # nobody stands before the agent: X-Forwarded-For would only forge addresses
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=FINISH_SECONDS,
                h11_max_incomplete_event_size=HEADER_BYTES,
                callback_notify=None if link.watchdog_seconds is None else self._still_alive,
                timeout_notify=max(1, int((link.watchdog_seconds or 2) / 3)),
            )
        )

    async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:
        """Open the door on the given sockets, then tell systemd."""
        await super().startup(sockets=[])
        self._door = Door(sockets or (), self._new_protocol, self._tls, self._count_connections, self._make_room)
        self._link.notify("READY=1")

    async def shutdown(self, sockets: Sequence[socket.socket] | None = None) -> None:  # noqa: ARG002  the door's
        """Close the door, finish the requests in flight; those that take too long get to say so."""
        self._link.notify("STOPPING=1")
        if self._door is not None:
            self._door.close()
        await super().shutdown(sockets=[])
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=LAST_WORD_SECONDS)
        self._on_stop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Given the signal that stops us, remember when it came."""
        self._stop_began = self._stop_began or time.monotonic()
        super().handle_exit(sig, frame)

    @property
    def stopping_for(self) -> float:
        """For how many seconds the server has been stopping; 0.0 while it is not."""
        return 0.0 if self._stop_began is None else time.monotonic() - self._stop_began

    def _new_protocol(self) -> asyncio.Protocol:
        return DeadlineProtocol(self.config, self.server_state, self.lifespan.state, asyncio.get_running_loop())

    def _count_connections(self) -> int:
        return len(self.server_state.connections)

    def _make_room(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, DeadlineProtocol) and not connection.is_serving:
                connection.transport.abort()
                return

    async def _still_alive(self) -> None:
        self._link.notify("WATCHDOG=1")


def keep_little_unsent(transport: asyncio.Transport) -> None:
    """The transport over TLS keeps half a megabyte for a client that does not read, and the kernel takes more: stale
    lines, and memory that nobody counts.
    """
    transport.set_write_buffer_limits(SOCKET_BUFFER_BYTES)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, SOCKET_BUFFER_BYTES)


def _cancelled(timer: asyncio.TimerHandle | None) -> Any:
    if timer is not None:
        timer.cancel()
    return None
