from __future__ import annotations

import socket

import pytest

from slave_agent.door import wrong_scheme_reply
from slave_agent.errors import ListenError
from slave_agent.listening import BUSY_PATIENCE_SECONDS, ListenAddress, bind, parse_listen_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7600", ListenAddress("127.0.0.1", 7600)),
        ("[::1]:0", ListenAddress("::1", 0)),
        ("localhost:1", ListenAddress("localhost", 1)),
    ],
)
def test_an_address_is_read(text: str, address: ListenAddress) -> None:
    assert parse_listen_address(text) == address


@pytest.mark.parametrize("text", ["", "7600", ":7600", "host:", "host:99999", "host:-1", "host:http"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ListenError):
        parse_listen_address(text)


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


def test_a_busy_port_is_waited_for() -> None:
    holder = socket.create_server(("127.0.0.1", 0))
    port = holder.getsockname()[1]
    time = Time()

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if time.now > 5:
            holder.close()

    with bind(ListenAddress("127.0.0.1", port), time.monotonic, sleep, lambda _port: "nobody") as ours:
        assert ours.getsockname()[1] == port
    assert 5 < time.now < BUSY_PATIENCE_SECONDS


def test_who_holds_a_busy_port_is_told() -> None:
    time = Time()
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(ListenError, match=f"port {port} is taken by apache") as failure:
            bind(ListenAddress("127.0.0.1", port), time.monotonic, time.sleep, lambda _port: "apache")
    assert str(port) in failure.value.hint
    assert time.now >= BUSY_PATIENCE_SECONDS


def test_an_address_of_another_machine_is_told_at_once() -> None:
    time = Time()
    with pytest.raises(ListenError, match="can't listen"):
        bind(ListenAddress("203.0.113.1", 7600), time.monotonic, time.sleep, lambda _port: "nobody")
    assert time.now == 0


def test_every_address_means_ipv4_too() -> None:
    with bind(ListenAddress("::", 0), Time().monotonic, Time().sleep, lambda _port: "") as ours:
        socket.create_connection(("127.0.0.1", ours.getsockname()[1])).close()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("192.168.4.25", b"https://192.168.4.25:7600/"),
        ("::ffff:192.168.4.25", b"https://192.168.4.25:7600/"),
        ("fd00::2", b"https://[fd00::2]:7600/"),
    ],
)
def test_plain_http_hears_of_https(host: str, url: bytes) -> None:
    reply = wrong_scheme_reply(host, 7600)
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert url in reply
