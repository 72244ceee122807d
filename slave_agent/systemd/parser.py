"""Reads what `systemctl show` says of units. Pure: text in, facts out."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Optional

from slave_agent.systemd.states import UnitState

SHOW_PROPERTIES = (
    "Id",
    "Names",
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "MainPID",
    "NRestarts",
    "Result",
    "ExecMainCode",
    "ExecMainStatus",
    "StateChangeTimestamp",
    "MemoryCurrent",
    "FragmentPath",
    "DropInPaths",
    "NeedDaemonReload",
)
_STATES = {
    "active": UnitState.ACTIVE,
    "inactive": UnitState.INACTIVE,
    "failed": UnitState.FAILED,
    "activating": UnitState.ACTIVATING,
    "deactivating": UnitState.DEACTIVATING,
    "reloading": UnitState.RELOADING,
    "refreshing": UnitState.RELOADING,
}
_EXITED, _KILLED, _DUMPED = "1", "2", "3"  # CLD_EXITED, CLD_KILLED, CLD_DUMPED of waitid(2)
_UNLIMITED = 2**64 - 1  # how older systemd says that nothing was measured
_EXPOSURE = re.compile(r"exposure level for \S+: (\d{1,2}\.\d)")
_TIMESTAMP = re.compile(r"\w{3} (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d{1,6})? UTC\Z", re.ASCII)


@dataclass(frozen=True)
class ServiceStatus:
    """One unit as systemd sees it. `since` is when it came into its state, in UTC; `memory_bytes` is now's use.

    `exit_code` and `signal` tell how the main process ended, when it has; `restarts` counts systemd's own. `drop_ins`
    are files that add to this unit alone.
    """

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
    drop_ins: tuple[str, ...] = ()

    @property
    def is_without_file(self) -> bool:
        """Whether systemd found no file for it, be it that it runs nevertheless."""
        return self.state is UnitState.NOT_FOUND or self.load_state == "not-found"


def parse_show(text: str) -> dict[str, ServiceStatus]:
    """Given the output of `systemctl show` for any number of units, return the status of each by each of its names:
    one may be asked for by an alias, as mysql.service for mariadb.service.
    """
    found: dict[str, ServiceStatus] = {}
    for block in _blocks(text):
        if (status := _status(block)).unit:
            found.update(dict.fromkeys([status.unit, *block.get("Names", "").split()], status))
    return found


def parse_status_output(text: str) -> ServiceStatus:
    """Given the output of `systemctl show` for one unit, return its status; UNKNOWN when the text names no unit."""
    return next(iter(parse_show(text).values()), ServiceStatus("", UnitState.UNKNOWN))


def parse_exposure(text: str) -> Optional[float]:
    """Given the output of `systemd-analyze security UNIT`, return its overall level, 0 to 10, or None."""
    levels = _EXPOSURE.findall(text)
    return float(levels[-1]) if levels else None


def _blocks(text: str) -> Iterator[dict[str, str]]:
    """Units are set apart by an empty line."""
    block: dict[str, str] = {}
    for line in [*text.split("\n"), ""]:
        name, sign, value = line.partition("=")
        if sign:
            block[name] = value
        elif block:
            yield block
            block = {}


def _status(words: Mapping[str, str]) -> ServiceStatus:
    code, status = words.get("ExecMainCode"), _number(words.get("ExecMainStatus"))
    memory = _number(words.get("MemoryCurrent"))
    return ServiceStatus(
        unit=words.get("Id", ""),
        state=_state(words),
        sub_state=words.get("SubState", ""),
        load_state=words.get("LoadState", ""),
        enabled=words.get("UnitFileState") in ("enabled", "enabled-runtime"),
        pid=_number(words.get("MainPID")) or None,
        restarts=_number(words.get("NRestarts")) or 0,
        result=words.get("Result", ""),
        exit_code=status if code == _EXITED else None,
        signal=signal_name(status) if code in (_KILLED, _DUMPED) and status else None,
        since=_iso(words.get("StateChangeTimestamp", "")),
        memory_bytes=None if memory == _UNLIMITED else memory,
        fragment_path=words.get("FragmentPath") or None,
        needs_reload=words.get("NeedDaemonReload") == "yes",
        drop_ins=_own_drop_ins(words),
    )


def _own_drop_ins(words: Mapping[str, str]) -> tuple[str, ...]:
    """Those for all services (service.d), or for all of a prefix, are the host's own business."""
    folder = f"/{words.get('Id', '')}.d/"
    return tuple(path for path in words.get("DropInPaths", "").split() if folder in path)


def _state(words: Mapping[str, str]) -> UnitState:
    """A unit whose file is gone may still run: only a dead one is not found."""
    active = words.get("ActiveState", "")
    if active == "inactive" and words.get("LoadState") == "not-found":
        return UnitState.NOT_FOUND
    if active == "activating" and words.get("SubState", "").startswith("auto-restart"):
        return UnitState.AUTO_RESTART
    return _STATES.get(active, UnitState.UNKNOWN)


def signal_name(number: int) -> str:
    """Given a signal's number, return its name, such as SIGKILL."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - 34}" if 34 <= number <= 64 else str(number)


def _number(word: Optional[str]) -> Optional[int]:
    return int(word) if word and word.isascii() and word.isdigit() else None


def _iso(word: str) -> Optional[str]:
    match = _TIMESTAMP.match(word)
    return f"{match[1]}T{match[2]}{match[3] or ''}Z" if match else None
