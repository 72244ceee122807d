"""Who listens on a port, read from a real /proc and from a made one."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from slave_agent.systemd.port_holders import holds_port

TABLE = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LISTENS = "   0: 0100007F:0C1C 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0\n"
TALKS = LISTENS.replace(" 0A ", " 01 ").replace("4711", "4712")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Port 3100: 7, of the app shop, listens there; 8, of another one, has a connection from it."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(TABLE + LISTENS + TALKS)
    for pid, unit, inode in (("7", "d8-app-shop", 4711), ("8", "d8-app-other", 4712), ("9", "d8-app-shop", 1)):
        (tmp_path / pid / "fd").mkdir(parents=True)
        (tmp_path / pid / "cgroup").write_text(f"0::/system.slice/{unit}.service\n")
        (tmp_path / pid / "fd/3").symlink_to(f"socket:[{inode}]")
    (tmp_path / "10").mkdir()  # it has ended
    return tmp_path


@pytest.mark.parametrize(
    ("unit", "port", "expected"),
    [("shop", 3100, True), ("other", 3100, False), ("shop", 3101, False), ("nobody", 3100, False)],
)
def test_whose_process_listens(proc: Path, unit: str, port: int, expected: bool) -> None:
    assert holds_port(f"d8-app-{unit}.service", port, proc) is expected


def test_this_host_can_be_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert holds_port("d8-app-nobody.service", listener.getsockname()[1]) is False
