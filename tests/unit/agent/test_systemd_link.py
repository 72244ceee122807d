from __future__ import annotations

import socket
from pathlib import Path

from slave_agent.systemd_link import SystemdLink, take_systemd_link


def test_the_link_is_taken_out_of_the_environment() -> None:
    environment = {
        "LISTEN_FDS": "1",
        "LISTEN_PID": "42",
        "NOTIFY_SOCKET": "/run/notify",
        "WATCHDOG_USEC": "10000000",
        "WATCHDOG_PID": "42",
        "PATH": "/bin",
    }
    link = take_systemd_link(environment, 42)
    assert link == SystemdLink(passed_sockets=1, notify_address="/run/notify", watchdog_seconds=10.0)
    assert environment == {"PATH": "/bin"}


def test_sockets_for_another_process_are_not_ours() -> None:
    assert take_systemd_link({"LISTEN_FDS": "1", "LISTEN_PID": "41"}, 42) == SystemdLink()


def test_started_by_hand_there_is_no_link() -> None:
    link = take_systemd_link({}, 42)
    assert link == SystemdLink()
    link.notify("READY=1")
    assert link.sockets() == []


def test_a_message_arrives(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        SystemdLink(notify_address=str(tmp_path / "notify")).notify("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_a_message_arrives_at_an_abstract_address() -> None:
    name = "d8-test-notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name)
        SystemdLink(notify_address="@" + name).notify("WATCHDOG=1")
        assert manager.recv(100) == b"WATCHDOG=1"
