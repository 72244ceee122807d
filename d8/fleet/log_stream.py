"""The one WebSocket client: an app's journal as it is written. The token goes out only over the pinned connection.

The protocol is the library's; reading and writing are done here, in the caller's one thread: OpenSSL does not bear a
read and a write of one connection at the same time, as a library with a reading thread of its own would do them.
"""

from __future__ import annotations

import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from d8.app_models import LogFilter, LogItem
from d8.errors import D8Error, SlaveUnreachable
from d8.fleet.agent_client import ProblemAnswer, problem_of
from d8.fleet.answers import NotUnderstood, document
from d8.fleet.app_answers import log_frame
from d8.fleet.apps_client import explained
from d8.fleet.deadline import Clock
from d8.fleet.handshake import pinned_connection, plain_connection, unreachable
from d8.fleet.names import Address
from d8.models import Credential

if TYPE_CHECKING:
    from socket import socket

LARGEST_FRAME_BYTES = 16 * 1024 * 1024
READ_BYTES = 64 * 1024
SILENCE_SECONDS = 20.0  # after which the slave is asked whether it is there, and has as long to answer


class StreamClosed(SlaveUnreachable):
    """The stream is over: the slave closed it, or the network did."""


class LogStream:
    """One open stream of a slave's app. A context manager. Made by open_log_stream."""

    def __init__(self, address: Address, connection: socket, path: str, timeout_seconds: float, clock: Clock) -> None:
        self._address = address
        self._connection = connection
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._heard = clock()
        self._is_asked = False
        self._waiting: deque[bytes] = deque()
        self._message = bytearray()
        scheme_of_the_handshake = "ws"  # TLS, if wanted, is there already
        uri = parse_uri(f"{scheme_of_the_handshake}://{address.url}{path}")
        self._protocol = ClientProtocol(uri, max_size=LARGEST_FRAME_BYTES)

    def __enter__(self) -> LogStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Say goodbye, without waiting for an answer."""
        try:
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                self._send()
        except OSError:
            pass
        finally:
            self._connection.close()

    def shake_hands(self, token: str | None) -> None:
        """Given the token, open the stream. Raises what the slave refuses with, and OSError."""
        request = self._protocol.connect()
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        self._protocol.send_request(request)
        self._send()
        deadline = self._clock() + self._timeout_seconds
        while self._protocol.state is State.CONNECTING and self._protocol.handshake_exc is None:
            left = deadline - self._clock()
            if left <= 0:
                raise TimeoutError("timed out")
            self._read(left)
        refusal = self._protocol.handshake_exc
        if isinstance(refusal, InvalidStatus):
            raise _refusal(refusal, self._address)
        if refusal is not None:
            raise unreachable(self._address, refusal)

    def receive(self, timeout_seconds: float) -> list[LogItem]:
        """Given how long to wait, return what has come; nothing when nothing came. Raises StreamClosed."""
        deadline = self._clock() + timeout_seconds
        try:
            while not self._waiting:
                if self._protocol.state is not State.OPEN:
                    raise self._closed()
                left = deadline - self._clock()
                if left <= 0:
                    self._look_for_life()
                    return []
                self._read(left)
            return log_frame(self._waiting.popleft())
        except OSError as error:
            raise unreachable(self._address, error) from error
        except NotUnderstood as error:
            raise SlaveUnreachable(
                "{address} sent something that is no log of D8's",
                "Build it again (option 11) to bring it to the master's commit.",
                address=self._address,
            ) from error

    def _read(self, seconds: float) -> None:
        """Take in what comes within the time, and answer what the protocol answers by itself."""
        self._connection.settimeout(seconds)
        try:
            data = self._connection.recv(READ_BYTES)
        except TimeoutError:
            return
        self._heard, self._is_asked = self._clock(), False
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._message += event.data
                if event.fin:
                    self._waiting.append(bytes(self._message))
                    self._message.clear()
        self._send()

    def _send(self) -> None:
        self._connection.settimeout(self._timeout_seconds)
        for data in self._protocol.data_to_send():
            self._connection.sendall(data)

    def _look_for_life(self) -> None:
        """A slave that is gone without a word says nothing, and neither does one whose app is silent."""
        silence = self._clock() - self._heard
        if silence > 2 * SILENCE_SECONDS:
            raise TimeoutError("no sign of life")
        if silence > SILENCE_SECONDS and not self._is_asked:
            self._is_asked = True
            self._protocol.send_ping(b"")
            self._send()

    def _closed(self) -> StreamClosed:
        said = self._protocol.close_rcvd
        return StreamClosed(
            "{address} ended the log stream ({reason})",
            address=self._address,
            reason=(said.reason or said.code) if said else "connection lost",
        )


def open_log_stream(
    address: Address,
    credential: Credential | None,
    tls: bool,
    timeout_seconds: float,
    name: str,
    wanted: LogFilter,
    clock: Clock = time.monotonic,
) -> LogStream:
    """Given a slave's agent and what belongs to it, an app and which entries are wanted, return the open stream.

    Raises Refused when another server answers, before anything is sent; SlaveUnreachable; UnknownApp.
    """
    connection = (
        pinned_connection(address, credential.fingerprint, timeout_seconds)
        if tls and credential
        else plain_connection(address, timeout_seconds)
    )
    path = f"/logs/{name}?{urlencode(wanted.parameters())}"
    stream = LogStream(address, connection, path, timeout_seconds, clock)
    try:
        stream.shake_hands(credential.token if credential else None)
    except OSError as error:
        stream.close()
        raise unreachable(address, error) from error
    except BaseException:
        stream.close()
        raise
    return stream


def _refusal(error: InvalidStatus, address: Address) -> D8Error:
    """What the slave said instead of opening the stream."""
    response = error.response
    try:
        said = document(bytes(response.body or b"{}"))
    except NotUnderstood:
        said = {}
    problem = problem_of(response.status_code, said, address)
    return explained(problem) if isinstance(problem, ProblemAnswer) else problem
