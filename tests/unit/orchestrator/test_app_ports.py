"""Whether an app listens on its port: in /proc as it is, and by whose sockets there are."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slave_agent.orchestrator import app_ports
from slave_agent.orchestrator.app_ports import is_due, listens
from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.states import UnitState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UNIT = ServiceStatus("d8-app-shop.service", UnitState.ACTIVE, pid=7)
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def proc_with(folder: Path, uid: int, port: int) -> Path:
    (folder / "net").mkdir()
    line = f"   0: 0100007F:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {uid} 0 4711 1\n"
    (folder / "net/tcp").write_text(HEAD + line)
    (folder / "7").mkdir()
    return folder


def test_anothers_socket_is_not_the_apps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path.stat().st_uid
    monkeypatch.setattr(app_ports.os, "geteuid", lambda: own + 1)  # who may not see whose socket it is
    assert listens(UNIT, 3000, proc_with(tmp_path, own, 3000))
    assert not listens(UNIT, 3001, tmp_path)
    (tmp_path / "net/tcp").write_text(
        (tmp_path / "net/tcp").read_text().replace(f" {own} 0 4711", f" {own + 5} 0 4711")
    )
    assert not listens(UNIT, 3000, tmp_path)


def test_who_may_look_sees_whether_it_is_the_units_own_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # ours, and this process is no app's
        unit = ServiceStatus("d8-app-shop.service", UnitState.ACTIVE, pid=os.getpid())
        assert not listens(unit, listener.getsockname()[1])


@pytest.mark.parametrize(
    ("state", "seconds", "due"),
    [(UnitState.ACTIVE, 5, False), (UnitState.ACTIVE, 21, True), (UnitState.FAILED, 100, False)],
)
def test_an_app_has_time_to_listen(state: UnitState, seconds: float, due: bool) -> None:
    since = (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")
    assert is_due(ServiceStatus("d8-app-shop.service", state, since=since), NOW) is due
    assert not is_due(ServiceStatus("d8-app-shop.service", state), NOW)
