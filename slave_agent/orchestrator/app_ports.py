"""Whether an app listens on its port: its own processes, as far as this user may look into them, else its user's."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from slave_agent.bootstrap.port_owner import listeners_on
from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.port_holders import holds_port
from slave_agent.systemd.process_scan import PROC
from slave_agent.systemd.states import UnitState

LISTEN_SECONDS = 20.0


def listens(unit: ServiceStatus, port: int, proc: Path = PROC) -> bool:
    """Given systemd's word on an app's unit and the app's port, return whether a process of it listens there. Who may
    not see whose socket it is takes any of the app's user for the app's.
    """
    user_id = _owner(unit.pid, proc)
    if user_id is not None and os.geteuid() in (0, user_id):
        return holds_port(unit.unit, port, proc)
    return any(user_id in (None, one.uid) for one in listeners_on(port, proc))


def is_due(unit: ServiceStatus, now: datetime) -> bool:
    """Given systemd's word on an app's unit and the time, return whether it has run long enough to listen. Pure."""
    if unit.state is not UnitState.ACTIVE or unit.since is None:
        return False
    return (now - datetime.fromisoformat(unit.since)).total_seconds() > LISTEN_SECONDS


def _owner(pid: int | None, proc: Path) -> int | None:
    try:
        return None if pid is None else (proc / str(pid)).stat().st_uid
    except OSError:
        return None
