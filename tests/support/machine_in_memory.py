"""A machine with systemd and root's helper, in memory: honest about what it holds, for the tests of what is decided.

`fates` says what becomes of an app's process when it is started: None stays up, a number is its exit code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from slave_agent.errors import OperationRefused, PrivilegeUnavailable
from slave_agent.privilege import CheckAnswer, InstallAnswer, UnitLook, UnitOutcome
from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.service_config import FieldProblem, app_name_of, unit_name
from slave_agent.systemd.states import UnitState, UnitVerb
from slave_agent.systemd.unit_files import UnitFileState


@dataclass
class Unit:
    document: dict[str, Any]
    environment: dict[str, str]
    status: ServiceStatus


@dataclass
class MachineInMemory:
    """Privilege and systemctl in one."""

    units: dict[str, Unit] = field(default_factory=dict)
    left: dict[str, dict[str, str]] = field(default_factory=dict)  # environments of units that a hand removed
    running: dict[str, ServiceStatus] = field(default_factory=dict)  # what runs on without its unit's file
    previous: dict[str, Unit | None] = field(default_factory=dict)
    fates: dict[str, int | None] = field(default_factory=dict)
    host_problems: list[FieldProblem] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    shows: int = 0
    next_pid: int = 100
    dies_at: str | None = None  # the agent is killed before this is done
    is_dead: bool = False
    is_silent: bool = False
    refuses_removal: bool = False  # before it has changed anything
    breaks_removal: bool = False  # half-way
    is_user: bool = False

    # --- systemctl ---

    def show(self, units: Sequence[str]) -> dict[str, ServiceStatus]:
        self.shows += 1
        return {unit: self._status(unit) for unit in units}

    def exposure(self, unit: str) -> float | None:
        return None

    def _status(self, unit: str) -> ServiceStatus:
        name = app_name_of(unit)
        if name in self.running:
            return self.running[name]
        if name not in self.units:
            return ServiceStatus(unit, UnitState.NOT_FOUND, load_state="not-found")
        return self.units[name].status

    def remove_by_hand(self, name: str, with_environment: bool = False, is_running: bool = True) -> None:
        """Delete an app's unit file and have systemd notice; what runs runs on."""
        unit = self.units.pop(name)
        if not with_environment:
            self.left[name] = unit.environment
        if is_running:
            self.running[name] = replace(unit.status, load_state="not-found", enabled=False)

    # --- privilege ---

    def check(self, document: Mapping[str, Any], keep_environment: bool = False) -> CheckAnswer:
        self._hear("check", str(document.get("name")))
        return CheckAnswer(tuple(self.host_problems), None if self.host_problems else "/usr/bin/node")

    def install(self, document: Mapping[str, Any], keep_environment: bool = False) -> InstallAnswer:
        name = document["name"]
        self._hear("install", name)
        before = self.units.get(name)
        self.previous[name] = replace(before) if before else None
        patch = document.get("environment") or {}
        kept = before.environment if before else self.left.pop(name, {})
        environment = {**(kept if keep_environment else {}), **patch}
        environment = {key: value for key, value in environment.items() if value is not None}
        stopped = ServiceStatus(unit_name(name), UnitState.INACTIVE)
        status = before.status if before else replace(self.running.pop(name, stopped), load_state="loaded")
        self.units[name] = Unit(dict(document), environment, status)
        return InstallAnswer(unit_name(name), "/usr/bin/node", tuple(sorted(environment)))

    def restore(self, name: str) -> bool:
        self._hear("restore", name)
        if name not in self.previous:
            return False
        before = self.previous.pop(name)
        if before is None:
            self.units.pop(name, None)
        else:
            self.units[name] = replace(before, status=self.units[name].status)
        return True

    def forget_previous(self, name: str) -> None:
        self._hear("forget", name)
        self.previous.pop(name, None)

    def remove(self, name: str) -> bool:
        self._hear("remove", name)
        if self.refuses_removal:
            raise PrivilegeUnavailable("no space left", "Make room.")
        if self.breaks_removal:
            self.previous[name] = self.units.get(name)
            raise PrivilegeUnavailable("no space left", "Make room.")
        self.previous.pop(name, None)
        self.left.pop(name, None)
        self.running.pop(name, None)
        return self.units.pop(name, None) is not None

    def act(self, verb: UnitVerb, name: str) -> UnitOutcome:
        self._hear(verb.value, name)
        if name not in self.units and verb in (UnitVerb.STOP, UnitVerb.DISABLE):
            if verb is UnitVerb.STOP:
                self.running.pop(name, None)
            return UnitOutcome(verb is UnitVerb.STOP, "")
        if name not in self.units:
            raise OperationRefused(f"there is no app {name}")
        unit = self.units[name]
        unit.status = self._after(verb, unit)
        return UnitOutcome(True, "")

    def installed(self) -> tuple[str, ...]:
        if self.is_silent:
            raise PrivilegeUnavailable("root's helper does not answer", "Try again.")
        return tuple(sorted(self.units))

    def look(self, name: str) -> UnitLook:
        if self.is_silent:
            raise PrivilegeUnavailable("root's helper does not answer", "Try again.")
        unit = self.units.get(name)
        state = UnitFileState.UNTOUCHED if unit else UnitFileState.MISSING
        environment = unit.environment if unit else self.left.get(name, {})
        return UnitLook(state, tuple(sorted(environment)), name in self.previous)

    def _after(self, verb: UnitVerb, unit: Unit) -> ServiceStatus:
        if verb in (UnitVerb.ENABLE, UnitVerb.DISABLE):
            return replace(unit.status, enabled=verb is UnitVerb.ENABLE)
        if verb in (UnitVerb.STOP, UnitVerb.RESET_FAILED):
            return replace(unit.status, state=UnitState.INACTIVE, pid=None)
        fate = self.fates.get(unit.document["script"])
        if fate is not None:
            return replace(unit.status, state=UnitState.FAILED, pid=None, exit_code=fate, result="exit-code")
        self.next_pid += 1
        return replace(unit.status, state=UnitState.ACTIVE, pid=self.next_pid, restarts=0, result="success")

    def _hear(self, verb: str, name: str) -> None:
        if self.is_silent:
            raise PrivilegeUnavailable("root's helper does not answer", "Try again.")
        if self.is_dead or self.dies_at == verb:
            self.is_dead = True
            raise AgentKilled(verb)
        self.asked.append(f"{verb} {name}")


class AgentKilled(BaseException):
    """kill -9: nothing that the agent does afterwards happens."""
