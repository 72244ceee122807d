"""The stream of logs against servers that misbehave: silent, cut, too large, elsewhere. Every one ends in an error."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from d8.app_models import LogEntry, LogFilter
from d8.errors import D8Error, SlaveUnreachable
from d8.fleet.log_stream import LARGEST_FRAME_BYTES, SILENCE_SECONDS, LogStream, StreamClosed, open_log_stream
from d8.fleet.names import Address
from tests.support.apps_agent import entry

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
Serve = Callable[[socket.socket], None]


def accept(connection: socket.socket) -> None:
    """The server's half of the opening."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(4096)
    [key] = [
        line.split(b":")[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    ]
    answer = base64.b64encode(hashlib.sha1(key + MAGIC.encode()).digest())
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + answer + b"\r\n\r\n"
    )


def frame(payload: bytes, opcode: int = 1, is_last: bool = True) -> bytes:
    """A short or middling frame from a server."""
    length = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
    return bytes([opcode | (0x80 if is_last else 0)]) + length + payload


@pytest.fixture
def serve() -> Iterator[Callable[[Serve], Address]]:
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []
    ended = threading.Event()

    def start(work: Serve) -> Address:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                work(connection)
                ended.wait(60)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return Address("127.0.0.1", listener.getsockname()[1])

    yield start
    ended.set()
    for thread in threads:
        thread.join()
    for listener in listeners:
        listener.close()


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def stream_from(address: Address, clock: Clock | None = None) -> LogStream:
    options = {"clock": clock} if clock else {}
    return open_log_stream(address, None, False, 10, "shop", LogFilter(), **options)


def test_a_message_in_pieces_is_one(serve: Callable[[Serve], Address]) -> None:
    text = json.dumps([entry(1), entry(2)]).encode()

    def work(connection: socket.socket) -> None:
        accept(connection)
        for piece in (frame(text[:50], 1, False), frame(b"", 9), frame(text[50:], 0)):
            for byte in piece:
                connection.sendall(bytes([byte]))

    with stream_from(serve(work)) as stream:
        assert [type(item) for item in stream.receive(30)] == [LogEntry, LogEntry]


def test_frames_that_come_together_are_given_one_by_one(serve: Callable[[Serve], Address]) -> None:
    def work(connection: socket.socket) -> None:
        accept(connection)
        connection.sendall(b"".join(frame(json.dumps([entry(number)]).encode()) for number in (1, 2, 3)))

    with stream_from(serve(work)) as stream:
        cursors = [item.cursor for _ in range(3) for item in stream.receive(30) if isinstance(item, LogEntry)]
    assert cursors == ["c1", "c2", "c3"]


def test_a_connection_that_breaks_ends_the_stream_after_what_had_come(serve: Callable[[Serve], Address]) -> None:
    def work(connection: socket.socket) -> None:
        accept(connection)
        connection.sendall(frame(json.dumps([entry(1)]).encode()))
        connection.shutdown(socket.SHUT_RDWR)

    with stream_from(serve(work)) as stream:
        assert len(stream.receive(30)) == 1
        with pytest.raises(StreamClosed, match="connection lost"):
            stream.receive(30)


def test_a_frame_without_end_is_refused_before_it_is_read(serve: Callable[[Serve], Address]) -> None:
    def work(connection: socket.socket) -> None:
        accept(connection)
        connection.sendall(b"\x81\x7f" + (LARGEST_FRAME_BYTES + 1).to_bytes(8, "big") + b"[")

    with stream_from(serve(work)) as stream, pytest.raises(SlaveUnreachable):
        stream.receive(30)


def test_what_is_no_log_is_refused(serve: Callable[[Serve], Address]) -> None:
    def work(connection: socket.socket) -> None:
        accept(connection)
        connection.sendall(frame(b'{"hello": "world"}'))

    with stream_from(serve(work)) as stream, pytest.raises(SlaveUnreachable, match="no log of D8"):
        stream.receive(30)


def test_a_silent_slave_is_asked_once_and_given_up_when_it_stays_silent(serve: Callable[[Serve], Address]) -> None:
    heard = bytearray()
    is_asked = threading.Event()

    def work(connection: socket.socket) -> None:
        accept(connection)
        while not heard:
            heard.extend(connection.recv(4096))
        is_asked.set()

    clock = Clock()
    with stream_from(serve(work), clock) as stream:
        assert stream.receive(0) == []
        clock.now = SILENCE_SECONDS + 1
        assert stream.receive(0) == []
        assert is_asked.wait(30) and heard[0] == 0x89, "a ping"
        assert stream.receive(0) == []
        clock.now = 2 * SILENCE_SECONDS + 1
        with pytest.raises(SlaveUnreachable, match="no sign of life"):
            stream.receive(0)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 302 Found\r\nLocation: ws://192.0.2.1/logs/shop\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
)
def test_who_opens_no_stream_is_an_error_and_nobody_is_sent_elsewhere(
    serve: Callable[[Serve], Address], answer: bytes
) -> None:
    def work(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    with pytest.raises(D8Error):
        stream_from(serve(work))


def test_who_never_answers_the_opening_is_unreachable(serve: Callable[[Serve], Address]) -> None:
    with pytest.raises(SlaveUnreachable, match="timed out"):
        open_log_stream(serve(lambda _: None), None, False, 0.2, "shop", LogFilter())
