"""A server that answers badly: every call ends in time with one error, and no other slave's result is lost."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from d8.actions import execute as execute_module
from d8.actions import status as status_module
from d8.actions.execute import execute, executions_exit_code
from d8.actions.status import SlaveState, fleet_exit_code, fleet_status
from d8.actions.workplace import Workplace
from d8.errors import ExitCode, SlaveUnreachable
from d8.fleet.agent_client import SlaveClient
from d8.fleet.answers import MAXIMUM_ANSWER_BYTES
from d8.fleet.names import Address
from d8.models import Slave
from tests.support.fakes import COMMIT, make_settings, make_slave

HEALTH = {"mode": "agent", "commit": COMMIT, "host": {"machine_id": "a" * 32}}
JOB = {"id": "j", "state": "succeeded", "exit_code": 0, "stdout": "", "duration_seconds": 1}
NOT_OURS = "not D8's"


def reply(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def says(**fields: object) -> bytes:
    return reply(json.dumps(fields).encode())


class Server:
    """A real server on loopback. Given what it sends for each request; after that it drips `drops` for ever."""

    def __init__(self, content: bytes, drops: bytes = b"") -> None:
        self._content, self._drops = content, drops
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = Address("127.0.0.1", self._listener.getsockname()[1])
        self.connections: list[socket.socket] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._ended.is_set():
                connection.close()
                return
            self.connections.append(connection)
            self._threads.append(threading.Thread(target=self._talk, args=(connection,)))
            self._threads[-1].start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while self._read_request(connection):
                connection.sendall(self._content)
                while self._drops and not self._ended.wait(0.005):
                    connection.sendall(self._drops)

    def _read_request(self, connection: socket.socket) -> bool:
        head = b""
        while b"\r\n\r\n" not in head:
            received = connection.recv(65536)
            if not received:
                return False
            head += received
        head, _, body = head.partition(b"\r\n\r\n")
        lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-len")]
        while len(body) < sum(lengths):
            body += connection.recv(65536)
        return True

    def close(self) -> None:
        self._ended.set()
        socket.create_connection((self.address.host, self.address.port)).close()
        self._threads[0].join()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def start(content: bytes, drops: bytes = b"") -> Server:
        servers.append(Server(content, drops))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def client_of(address: Address, **options: Any) -> SlaveClient:
    return SlaveClient(address, None, tls=False, connect_timeout=1, **options)


def fails(call: Callable[[SlaveClient], object], server: Server, **options: Any) -> str:
    client = client_of(server.address, **options)
    try:
        with pytest.raises(SlaveUnreachable) as caught:
            call(client)
    finally:
        client.close()
    return str(caught.value)


NONSENSE = {
    "nested beyond the parser": reply(b"[" * 200_000),
    "nested beyond reason": reply(b'{"a":' * 100 + b"1" + b"}" * 100),
    "no JSON": reply(b"<html>"),
    "no object": reply(b"[]"),
    "no UTF-8": reply(b'{"mode": "\xff"}'),
    "a number of thousands of digits": reply(b'{"uptime": ' + b"9" * 5000 + b"}"),
    "a number beyond all floats": reply(b'{"uptime": ' + b"9" * 400 + b"}"),
    "an infinite number": reply(b'{"uptime": 1e999}'),
    "NaN": reply(b'{"uptime": NaN}'),
}


@pytest.mark.parametrize("content", NONSENSE.values(), ids=NONSENSE.keys())
def test_what_no_d8_server_says_is_told_as_such(serve: Serve, content: bytes) -> None:
    assert NOT_OURS in fails(SlaveClient.system, serve(content))


@pytest.mark.parametrize("fields", [{"mode": 7}, {"commit": []}, {"host": "pi"}, {"host": {"machine_id": {}}}])
def test_a_health_answer_of_other_types(serve: Serve, fields: dict[str, object]) -> None:
    assert NOT_OURS in fails(SlaveClient.health, serve(says(**{**HEALTH, **fields})))


@pytest.mark.parametrize(
    "fields",
    [
        {"id": None},
        {"state": None},
        {"state": 3},
        {"exit_code": "0"},
        {"exit_code": True},
        {"stdout": ["a"]},
        {"stderr": 1},
        {"next_offset": "9"},
        {"next_stderr_offset": 1.5},
        {"duration_seconds": "long"},
    ],
)
def test_a_job_of_other_types_or_with_less(serve: Serve, fields: dict[str, object]) -> None:
    content = says(**{name: value for name, value in {**JOB, **fields}.items() if value is not None})
    assert NOT_OURS in fails(lambda client: client.job("j"), serve(content))
    assert NOT_OURS in fails(lambda client: client.cancel_job("j"), serve(content))


def test_an_upload_without_a_path(serve: Serve) -> None:
    assert NOT_OURS in fails(lambda client: client.upload("a", b"content"), serve(says()))


def test_an_answer_that_is_too_large_is_not_read_to_its_end(serve: Serve) -> None:
    length = 2**40
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length
    assert NOT_OURS in fails(SlaveClient.health, serve(head, b" " * (MAXIMUM_ANSWER_BYTES // 8)))


@pytest.mark.parametrize(
    ("content", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9999\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nX-Header: ", b"a"),
        (b"HTTP/1.1 ", b"2"),
    ],
    ids=["body", "chunks", "a chunk", "headers", "status"],
)
def test_a_server_that_drips_has_the_read_timeout_for_the_whole(serve: Serve, content: bytes, drop: bytes) -> None:
    seconds = count()  # each look at the clock is a second later: 1 + 15 seconds are over after as many drops
    message = fails(SlaveClient.health, serve(content, drop), clock=lambda: float(next(seconds)))
    assert "does not answer" in message and "timed out" in message
    assert 15 <= next(seconds) <= 20


def test_halves_of_characters_are_replaced(serve: Serve) -> None:
    client = client_of(serve(reply(json.dumps({**JOB, "stdout": "a\ud800b😀", "\udfff": 1}).encode())).address)
    job = client.job("j")
    client.close()
    assert job.stdout == "a\N{REPLACEMENT CHARACTER}b😀" and job.duration_seconds == 1.0


def test_a_connection_serves_call_after_call(serve: Serve) -> None:
    server = serve(says(**HEALTH))
    client = client_of(server.address)
    assert [client.health()["mode"] for _ in range(3)] == ["agent"] * 3
    client.close()
    assert len(server.connections) == 1


ONE_BAD = {
    "nested": reply(b"[" * 200_000),
    "job without keys": says(mode="agent", commit=[]),
    "job of other types": says(mode=1, id=1, state=1),
}


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    made = Workplace(make_settings(tmp_path))
    yield made
    made.close()


def register(workplace: Workplace, servers: list[Server]) -> list[str]:
    slaves = [make_slave(server.address.host, server.address.port) for server in servers]
    for slave in slaves:
        workplace.registry.save_slave(slave)
    return [slave.slave_id for slave in slaves]


def connect(slave: Slave, *_: object) -> SlaveClient:
    return client_of(Address(slave.address, slave.port))


@pytest.mark.parametrize("bad", ONE_BAD.values(), ids=ONE_BAD.keys())
def test_one_bad_slave_leaves_the_others_their_results(
    workplace: Workplace, serve: Serve, monkeypatch: pytest.MonkeyPatch, bad: bytes
) -> None:
    good = says(**{**HEALTH, **JOB})
    names = register(workplace, [serve(good), serve(bad), serve(good)])
    monkeypatch.setattr(status_module, "connect_to_slave", connect)
    monkeypatch.setattr(execute_module, "connect_to_slave", connect)
    statuses = {status.slave.slave_id: status for status in fleet_status(workplace, COMMIT)}
    assert [statuses[name].state for name in names] == [SlaveState.OK, SlaveState.UNREACHABLE, SlaveState.OK]
    assert fleet_exit_code(list(statuses.values())) is ExitCode.PARTLY_DONE
    executions = execute(workplace, names, "true")
    assert [one.kind for one in executions] == [ExitCode.DONE, ExitCode.UNREACHABLE, ExitCode.DONE]
    assert NOT_OURS in str(executions[1].error) and executions_exit_code(executions) is ExitCode.PARTLY_DONE


def test_what_nobody_foresaw_is_the_failure_of_its_slave_alone(
    workplace: Workplace, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = says(**{**HEALTH, **JOB})
    names = register(workplace, [serve(good), serve(good)])

    def connect_or_break(slave: Slave, *_: object) -> SlaveClient:
        if slave.slave_id == names[0]:
            raise KeyError("surprise")
        return connect(slave)

    monkeypatch.setattr(status_module, "connect_to_slave", connect_or_break)
    monkeypatch.setattr(execute_module, "connect_to_slave", connect_or_break)
    statuses = {status.slave.slave_id: status for status in fleet_status(workplace, COMMIT)}
    assert [statuses[name].state for name in names] == [SlaveState.UNKNOWN, SlaveState.OK]
    assert "KeyError: 'surprise'" in str(statuses[names[0]].detail)
    executions = execute(workplace, names, "true")
    assert [one.kind for one in executions] == [ExitCode.FAILED, ExitCode.DONE]
    assert "KeyError: 'surprise'" in str(executions[0].error)


def test_a_reader_of_the_output_that_is_gone_is_no_slaves_failure(
    workplace: Workplace, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = register(workplace, [serve(says(**{**JOB, "stdout": "text"}))])
    monkeypatch.setattr(execute_module, "connect_to_slave", connect)

    def gone(_stream: str, _text: str) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        execute(workplace, names, "true", gone)
