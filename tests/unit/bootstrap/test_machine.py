"""What is read from the machine: addresses, names, who holds a port."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from slave_agent.bootstrap.command_log import CommandLog, visible
from slave_agent.bootstrap.daemon import reachable_hosts
from slave_agent.bootstrap.host_facts import host_facts, ipv4_addresses, ipv6_addresses, os_name
from slave_agent.bootstrap.port_owner import Listener, PortOwner, command_of, describe_owner, find_port_owner, listeners
from slave_agent.bootstrap.texts import TEXTS, banner

FIB_TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     +-- 10.0.0.0/24 2 0 2
        |-- 10.0.0.0
           /24 link UNICAST
        |-- 10.0.0.7
           /32 host LOCAL
        |-- 10.0.0.255
           /32 link BROADCAST
     |-- 127.0.0.1
        /32 host LOCAL
Local:
        |-- 10.0.0.7
           /32 host LOCAL
        |-- 192.168.4.25
           /32 host LOCAL
"""
IF_INET6 = """fe80000000000000000000000000abcd 02 40 20 80     eth0
fd000000000000000000000000000002 02 40 00 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""
TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1DB0 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1DB0 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1
   2: 0100007F:1DB1 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
"""


def test_addresses_without_loopback_and_broadcast() -> None:
    assert ipv4_addresses(FIB_TRIE) == ["10.0.0.7", "192.168.4.25"]
    assert ipv6_addresses(IF_INET6) == ["fd00::2"]
    assert ipv4_addresses("") == ipv6_addresses("") == []


def test_the_name_of_the_system() -> None:
    assert os_name('NAME="x"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n') == "Debian GNU/Linux 12 (bookworm)"
    assert os_name("") == "Linux"


def test_facts_are_all_there() -> None:
    names = "hostname machine_id addresses os architecture python user uptime_seconds"
    assert set(host_facts()) == set(names.split())


def test_only_listening_sockets_of_the_port() -> None:
    assert listeners(TCP, 7600) == [Listener("4711", 1000)]
    assert listeners(TCP, 1) == []


def test_who_holds_a_port_is_found_in_proc() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        owner = find_port_owner(listener.getsockname()[1])
        port = listener.getsockname()[1]
    assert owner is not None
    assert owner.pid == os.getpid()
    assert "python" in owner.command or "pytest" in owner.command
    assert find_port_owner(port) is None


def test_command_lines_are_shown_harmlessly(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cmdline").write_bytes(b"evil\0\x1b[2J\0\n" + b"x" * 500)
    shown = command_of(7, tmp_path)
    assert shown.startswith("evil ?[2J ?x")
    assert len(shown) == 120
    assert command_of(8, tmp_path) == "?"


@pytest.mark.parametrize("language", ["es", "en"])
def test_a_holder_is_described_as_well_as_it_is_known(language: str) -> None:
    assert "42" in describe_owner(PortOwner(42, "nginx", "root"), 7600, language)
    assert "root" in describe_owner(PortOwner(None, "?", "root"), 7600, language)
    assert "7600" in describe_owner(None, 7600, language)


def test_both_languages_say_the_same_things() -> None:
    assert set(TEXTS["es"]) == set(TEXTS["en"])
    for name, text in TEXTS["es"].items():
        assert text.count("{") == TEXTS["en"][name].count("{"), name


def test_the_banner_warns_where_there_is_no_tls() -> None:
    assert "Sin TLS" in banner("es", 7600, "m", tls=False)
    assert "TLS" not in banner("es", 7600, "m", tls=True)


def test_logged_lines_can_not_steer_a_terminal() -> None:
    assert visible("a\nb\x1b[31m\x9bñ\u202e") == "a\\nb\\x1b[31m\\x9bñ\\u202e"


def test_the_log_is_private_and_turned_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("slave_agent.bootstrap.command_log.LARGEST_LOG_BYTES", 100)
    log = CommandLog(tmp_path / "slave_server.log", "en")
    for _ in range(5):
        log.note("x" * 60)
    assert (tmp_path / "slave_server.log").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"slave_server.log", "slave_server.log.1"}
    assert (tmp_path / "slave_server.log").stat().st_size < 300


@pytest.mark.parametrize(
    ("bind", "hosts"),
    [
        ("0.0.0.0", ["192.168.4.25"]),
        ("::", ["192.168.4.25", "fd00::2"]),
        ("127.0.0.1", ["127.0.0.1"]),
        ("fd00::2", ["fd00::2"]),
    ],
)
def test_only_addresses_that_are_listened_on_are_told(bind: str, hosts: list[str]) -> None:
    assert reachable_hosts(bind, ["192.168.4.25", "fd00::2"]) == hosts
    assert reachable_hosts(bind, []) == [bind]
