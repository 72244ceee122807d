"""Reads what `systemctl show` says of units. Pure: text in, facts out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from slave_agent.systemd.states import UnitState


@dataclass(frozen=True)
class ServiceStatus:
    """One unit as systemd sees it. `since` is when it came into its state, in UTC; `memory_bytes` is now's use."""

    unit: str
    state: UnitState
    sub_state: str = ""
    load_state: str = ""
    enabled: bool = False
    pid: Optional[int] = None
    restarts: int = 0
    result: str = ""
    exit_code: Optional[int] = None
    signal: Optional[str] = None
    since: Optional[str] = None
    memory_bytes: Optional[int] = None
    fragment_path: Optional[str] = None
    needs_reload: bool = False


def parse_show(text: str) -> dict[str, ServiceStatus]:
    """Given the output of `systemctl show` for any number of units, return the status of each by its name."""
    raise NotImplementedError
