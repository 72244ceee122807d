"""PURE: what is told of an app, from its record, systemd's word, its process and its unit's file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from slave_agent.models import JsonObject
from slave_agent.orchestrator.app_store import AppRecord
from slave_agent.states import AppPhase, AppState
from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.service_config import ServiceConfig
from slave_agent.systemd.states import AppKind, UnitState
from slave_agent.systemd.unit_files import UnitFileState

RECORD_LOST = (
    "what this agent had written down of it is lost: it can be started, stopped and removed; DELETE it and register it"
    " again"
)
REMOVED_BY_HAND = "its unit was removed by hand; start or restart writes it again"
_EDITED = "its unit was changed by hand; any change through D8 (PATCH) writes it again"
_ADDED_TO = "its unit was added to by hand in {paths}; systemctl revert {unit} takes that away"
_FOREIGN = "another unit, which D8 did not write, stands in its unit's place"
_NOT_RELOADED = "its unit was changed on the disk and systemd has not read it again"
_START_LIMIT = "systemd gave up starting it: it ended too often; start or restart tries again"
_DEAF = "it runs, but nothing of it listens on its port {port}"
_SILENT = "systemd did not tell its state"
_AT_WORK = {
    AppPhase.REGISTERING: "it is being registered",
    AppPhase.EDITING: "it is being changed",
    AppPhase.REMOVING: "it is being removed",
}


class ProcessUse(Protocol):
    """What an app's process uses."""

    @property
    def cpu_percent(self) -> float | None:
        """Percent of one processor; None where it was not measured before."""

    @property
    def memory_bytes(self) -> int | None:
        """Its resident memory."""


@dataclass(frozen=True)
class AppSeen:
    """A record and all that was found out about it now. `file` is None where the unit's file can't be read;
    `is_deaf`: it has a port, and had time enough to listen there.
    """

    record: AppRecord
    config: ServiceConfig
    unit: ServiceStatus
    process: ProcessUse | None
    file: UnitFileState | None
    is_deaf: bool = False


ProcessLook = Callable[[Sequence[tuple[ServiceConfig, ServiceStatus]]], Mapping[str, ProcessUse]]
Judge = Callable[[bool, UnitState], AppState]


def status_document(seen: AppSeen, judge: Judge) -> JsonObject:
    """Given all that is known of an app and the table of states, return its AppStatus."""
    unit, process = seen.unit, seen.process
    return {
        "name": seen.config.name,
        "kind": seen.config.kind.value,
        "user": seen.config.user,
        "unit": seen.config.unit,
        "status": judge(process is not None, unit.state).value,
        "state": unit.state.value,
        "sub_state": unit.sub_state,
        "pid": unit.pid,
        "cpu_percent": process.cpu_percent if process else None,
        "memory_bytes": (process.memory_bytes if process else None) or unit.memory_bytes,
        "restarts": unit.restarts,
        "since": unit.since,
        "enabled": unit.enabled,
        "exit_code": unit.exit_code,
        "signal": unit.signal,
        "result": unit.result,
        "port": seen.config.port,
        "problem": problem_with(seen),
    }


def lost_config(name: str) -> ServiceConfig:
    """Given an app whose record is lost, return what is known of it: its name, and with that its unit's."""
    return ServiceConfig(name, AppKind.PYTHON, script="", user="", working_dir="")


def lost_document(name: str, unit: ServiceStatus, judge: Judge) -> JsonObject:
    """Given an app whose record is lost, systemd's word and the table of states, return its AppStatus. What only the
    record told is empty.
    """
    seen = AppSeen(AppRecord(name, {}), lost_config(name), unit, None, None)
    is_found = unit.pid is not None
    return status_document(seen, lambda _, state: judge(is_found, state)) | {"kind": "", "problem": RECORD_LOST}


def problem_with(seen: AppSeen) -> str | None:
    """Given all that is known of an app, return in what the record and the machine differ, or None."""
    if seen.record.phase is not AppPhase.REGISTERED:
        return _AT_WORK[seen.record.phase]
    if seen.unit.is_without_file or seen.file is UnitFileState.MISSING:
        return REMOVED_BY_HAND
    if seen.unit.state is UnitState.UNKNOWN:
        return _SILENT
    if seen.file is UnitFileState.FOREIGN:
        return _FOREIGN
    if seen.file is UnitFileState.EDITED:
        return _EDITED
    if seen.unit.drop_ins:
        return _ADDED_TO.format(paths=", ".join(seen.unit.drop_ins), unit=seen.unit.unit)
    if seen.unit.needs_reload:
        return _NOT_RELOADED
    if seen.unit.state is UnitState.FAILED and seen.unit.result == "start-limit-hit":
        return _START_LIMIT
    if seen.is_deaf:
        return _DEAF.format(port=seen.config.port)
    return None
