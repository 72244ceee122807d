"""The sockets: accepts, shakes hands in the connection's own thread, keeps every deadline, and hands requests
to the API.
"""

from __future__ import annotations

import errno
import io
import os
import select
import socket
import socketserver
import ssl
import threading
import time
import traceback
from contextlib import nullcontext
from typing import Mapping

from slave_agent.bootstrap.api import Api, Call
from slave_agent.bootstrap.command_log import CommandLog
from slave_agent.bootstrap.configuration import Configuration
from slave_agent.bootstrap.connections import Admission, Connection
from slave_agent.bootstrap.errors import BootstrapError, ConfigurationError
from slave_agent.bootstrap.host_system import HAS_POSIX
from slave_agent.bootstrap.texts import say
from slave_agent.bootstrap.wire import (
    DeadlineStream,
    Head,
    Reply,
    body_seconds,
    plain_http_reply,
    read_head,
    reply_bytes,
    send_until,
)

HANDSHAKE_SECONDS = 10.0
HEAD_SECONDS = 15.0
IDLE_SECONDS = 60.0
LINGER_SECONDS = 2.0
STOP_SECONDS = 10.0
TLS_HANDSHAKE_BYTE = 0x16
FIRST_PASSED_SOCKET = 3
UNKNOWN = -1
CLIENT_FAULTS = (TimeoutError, socket.timeout, ConnectionError, ssl.SSLError)
"""The first two are the same from Python 3.10 on."""

OUT_OF_MEANS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
OUT_OF_MEANS_SECONDS = 0.1
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def tls_context(configuration: Configuration) -> ssl.SSLContext:
    """Return the server side of TLS 1.2 or, by preference, 1.3. Raises ConfigurationError for unusable files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(configuration.certificate, configuration.private_key)
    except (OSError, ssl.SSLError) as problem:
        language = configuration.language
        message = say(language, "no_tls_files", reason=problem)
        raise ConfigurationError(message, say(language, "no_tls_files_hint")) from problem
    return context


def passed_socket(environment: Mapping[str, str], pid: int) -> socket.socket | None:
    """Return the listening socket that systemd passed to this process (sd_listen_fds(3)), or None."""
    if environment.get("LISTEN_PID") != str(pid) or int(environment.get("LISTEN_FDS", "0")) < 1:
        return None
    os.set_inheritable(FIRST_PASSED_SOCKET, False)
    return socket.socket(fileno=FIRST_PASSED_SOCKET)


def bind_socket(bind: str, port: int) -> socket.socket:
    """Return a listening socket; `::` means IPv4 too. Raises OSError."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if HAS_POSIX:  # on Windows it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((bind, port))
        listener.listen(256)
    except OSError:
        listener.close()
        raise
    return listener


class SlaveServer(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """One thread a connection, as many as `Admission` allows."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, listener: socket.socket, context: ssl.SSLContext | None, api: Api, log: CommandLog) -> None:
        super().__init__(listener.getsockname(), socketserver.BaseRequestHandler)
        listener.setblocking(False)  # a client that leaves before it is accepted must not hold up the others
        self._listener = listener
        self.port: int = listener.getsockname()[1]
        self._context = context
        self._api = api
        self._log = log
        self._admission = Admission()

    def fileno(self) -> int:
        """Part of socketserver: what to wait for."""
        return self._listener.fileno()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Part of socketserver: accept, and nothing else; a client can't hold up the next one."""
        try:
            connection, address = self._listener.accept()
        except OSError as problem:
            if problem.errno in OUT_OF_MEANS:
                time.sleep(OUT_OF_MEANS_SECONDS)
            raise
        return connection, address

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: tuple[str, int]
    ) -> None:
        """Part of socketserver: start the thread of a connection, if there is room."""
        assert isinstance(request, socket.socket)  # noqa: S101
        connection = Connection(request, client_address[0])
        if not self._admission.admit(connection):
            request.close()
            return
        try:
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except RuntimeError:  # the system has no thread left for us
            self._admission.release(connection)
            request.close()

    def _serve(self, connection: Connection) -> None:
        """Do everything for one connection. Whatever it does, nothing but its own thread ends."""
        channel: socket.socket = connection.raw
        try:
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            channel.settimeout(HANDSHAKE_SECONDS)
            if self._context is not None:
                if is_plain(channel):
                    self._refuse_plain(channel)
                    return
                channel = self._context.wrap_socket(channel, server_side=True, do_handshake_on_connect=False)
                connection.raw = channel
                channel.do_handshake()
            Conversation(connection, channel, self._api, self._admission, self._log).go_on()
        except OSError:
            pass  # timeouts, resets and failed handshakes: the client's business
        finally:
            self._admission.release(connection)
            channel.close()

    def _refuse_plain(self, channel: socket.socket) -> None:
        stream = DeadlineStream(channel)
        stream.deadline = time.monotonic() + HANDSHAKE_SECONDS
        request = b""
        while len(request) < 65536 and b"\r\n\r\n" not in request:
            data = stream.read(65536)
            if not data:
                break
            request += data
        send_until(channel, plain_http_reply(request, self.port), stream.deadline)
        linger(channel)

    def finish_replies(self, seconds: float = STOP_SECONDS) -> None:
        """Wait up to `seconds` until no request is being answered, then hang up."""
        deadline = time.monotonic() + seconds
        while self._admission.has_work() and time.monotonic() < deadline:
            time.sleep(0.05)
        self._admission.hang_up_all()

    def server_close(self) -> None:
        """Part of socketserver: stop listening."""
        self._listener.close()


def is_plain(channel: socket.socket) -> bool:
    """Whether a client speaks something else than TLS: every TLS connection begins with one certain byte."""
    first = channel.recv(1, socket.MSG_PEEK)
    return bool(first) and first[0] != TLS_HANDSHAKE_BYTE


def linger(channel: socket.socket) -> None:
    """Let a reply get through to a client that is still sending: say that nothing more comes, and read for a moment."""
    try:
        channel.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + LINGER_SECONDS
        stream = DeadlineStream(channel)
        stream.deadline = deadline
        while stream.read(65536):
            pass
    except (OSError, ValueError):
        pass


class Conversation:
    """One client's requests, one after the other."""

    def __init__(
        self, connection: Connection, channel: socket.socket, api: Api, admission: Admission, log: CommandLog
    ) -> None:
        self._connection = connection
        self._channel = channel
        self._api = api
        self._admission = admission
        self._log = log
        self._stream = DeadlineStream(channel)
        self._reader = io.BufferedReader(self._stream, 16384)
        self._unread = 0
        self._owes_continue = False

    def go_on(self) -> None:
        """Answer requests until the client, an error or the server ends it."""
        while self._answer_next():
            pass

    def _answer_next(self) -> bool:
        """Answer one request. Return whether another may follow."""
        self._stream.deadline = time.monotonic() + IDLE_SECONDS
        if not self._reader.peek(1):
            return False
        self._stream.deadline = time.monotonic() + HEAD_SECONDS
        try:
            head = read_head(self._reader)
        except BootstrapError as problem:
            return self._send(self._api.problem(problem), is_persistent=False)
        if head is None:
            return False
        with self._admission.answering(self._connection):
            self._unread = UNKNOWN
            reply = self._reply_to(head)
            return self._send(reply, is_persistent=head.is_persistent and self._unread == 0)

    def _reply_to(self, head: Head) -> Reply:
        try:
            self._unread = head.content_length() or 0
            route, name = self._api.find(head)
            call = Call(head, self._connection.address, self._read_body, self._is_abandoned)
            self._api.check(route, call)
            self._owes_continue = (head.header("expect") or "").lower() == "100-continue"
            self._stream.deadline = time.monotonic() + body_seconds(self._unread)
            with self._admission.waiting_room() if route.may_take_long else nullcontext():
                return route.answer(call, name)
        except BootstrapError as problem:
            return self._api.problem(problem)
        except OSError as problem:
            if isinstance(problem, CLIENT_FAULTS):
                raise
            return self._unexpected(head, problem)
        except Exception as problem:
            return self._unexpected(head, problem)

    def _unexpected(self, head: Head, problem: Exception) -> Reply:
        """A fault of ours, or of the machine's: the log has where, the client has what."""
        place = traceback.extract_tb(problem.__traceback__)[-1]
        self._log.note(f"{head.method} {head.path}: {type(problem).__name__}: {problem} ({place.name}:{place.lineno})")
        return self._api.problem(BootstrapError(f"{type(problem).__name__}: {problem}", "See slave_server.log."))

    def _read_body(self, most: int) -> bytes:
        if self._owes_continue:
            self._owes_continue = False
            send_until(self._channel, CONTINUE, self._stream.deadline)
        data = self._reader.read1(min(most, self._unread)) if self._unread else b""
        self._unread -= len(data)
        return data

    def _is_abandoned(self) -> bool:
        if not hasattr(select, "poll"):
            return False  # Windows: noticed when the reply is sent
        poll = select.poll()
        poll.register(self._channel, select.POLLRDHUP | select.POLLHUP)
        return bool(poll.poll(0))

    def _send(self, reply: Reply, is_persistent: bool) -> bool:
        data = reply_bytes(reply, is_persistent)
        send_until(self._channel, data, time.monotonic() + body_seconds(len(data)))
        if not is_persistent:
            linger(self._channel)
        return is_persistent
