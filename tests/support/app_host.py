"""A host for apps in memory: a systemctl that does what systemd does with unit files, and looks that find what is told.
Honest: it reads the files that the operations wrote, and refuses what it does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from slave_agent.systemd.accounts import Account
from slave_agent.systemd.app_place import AppPlace
from slave_agent.systemd.errors import SystemdError
from slave_agent.systemd.operations import AppOperations
from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.service_config import FieldProblem, ServiceConfig
from slave_agent.systemd.states import UnitState, UnitVerb
from slave_agent.systemd.systemctl import Systemctl

ANA = Account("ana", 1000, 1000, (1000,), "/home/ana")


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    exit_code: int
    stdout: str = ""
    stderr: str = ""


@dataclass
class UnitsInMemory(Systemctl):
    """Units as systemd keeps them: loaded at a reload, running and enabled by order."""

    folder: Path
    loaded: dict[str, str] = field(default_factory=dict)
    running: set[str] = field(default_factory=set)
    enabled: set[str] = field(default_factory=set)
    elsewhere: dict[str, str] = field(default_factory=dict)
    orders: list[tuple[str, str]] = field(default_factory=list)
    controlled: set[str] = field(default_factory=set)  # what set-property wrote beside the units
    faults: tuple[str, ...] = ()
    refuses_reload: bool = False
    never_stops: bool = False

    def show(self, units: Sequence[str]) -> dict[str, ServiceStatus]:
        return {unit: self._status(unit) for unit in units}

    def act(self, verb: UnitVerb, unit: str) -> Ended:
        self.orders.append((verb.value, unit))
        if unit not in self.loaded and not (verb is UnitVerb.STOP and unit in self.running):
            return Ended(5, stderr=f"Unit {unit} not loaded.")
        if verb in (UnitVerb.START, UnitVerb.RESTART):
            self.running.add(unit)
        elif verb is UnitVerb.STOP and not self.never_stops:
            self.running.discard(unit)
        elif verb is UnitVerb.ENABLE:
            self.enabled.add(unit)
        elif verb is UnitVerb.DISABLE:
            self.enabled.discard(unit)
        return Ended(0)

    def revert(self, unit: str) -> Ended:
        self.orders.append(("revert", unit))
        self.controlled.discard(unit)
        return Ended(0)

    def daemon_reload(self) -> None:
        if self.refuses_reload:
            raise SystemdError("systemd did not read its units again", "")
        self.loaded = {path.name: path.read_text() for path in self.folder.glob("*.service")}

    def verify(self, path: str) -> tuple[str, ...]:
        assert Path(path).read_text(), "there is a text to read"
        return self.faults

    def _status(self, unit: str) -> ServiceStatus:
        if unit in self.elsewhere:
            return ServiceStatus(unit, UnitState.ACTIVE, fragment_path=self.elsewhere[unit])
        if unit not in self.loaded:  # one whose file is gone runs on
            state = UnitState.ACTIVE if unit in self.running else UnitState.NOT_FOUND
            return ServiceStatus(unit, state, load_state="not-found")
        state = UnitState.ACTIVE if unit in self.running else UnitState.INACTIVE
        return ServiceStatus(unit, state, enabled=unit in self.enabled, fragment_path=str(self.folder / unit))


@dataclass
class AppHost:
    """A host with its folders below `tree`. `listening` says which unit has a port."""

    tree: Path
    problems: list[FieldProblem] = field(default_factory=list)
    path_problems: list[FieldProblem] = field(default_factory=list)
    looked_at: list[ServiceConfig] = field(default_factory=list)
    programs_looked_at: list[str | None] = field(default_factory=list)
    listening: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.place = AppPlace(True, self.tree / "units", self.tree / "apps", self.tree / "apps/locks", None)
        self.units = UnitsInMemory(self.place.units)
        self.operations = AppOperations(self.place, self.units, self._look, self._look_at_path, self._holds_port)

    def document(self, name: str = "shop", **fields: object) -> dict[str, object]:
        """An app's document that has nothing wrong with it."""
        whole = {
            "name": name,
            "kind": "python",
            "script": "/srv/shop/main.py",
            "user": ANA.name,
            "working_dir": "/srv/shop",
        }
        return {**whole, **fields}

    def files(self) -> set[str]:
        """Every file there is, by its path below the tree."""
        return {str(path.relative_to(self.tree)) for path in self.tree.rglob("*") if path.is_file()}

    def by_hand(self, name: str = "shop") -> None:
        """Remove an app's unit file and have systemd notice."""
        self.place.unit(name).unlink()
        self.units.daemon_reload()

    def _holds_port(self, unit: str, port: int) -> bool:
        return self.listening.get(port) == unit

    def _look(self, config: ServiceConfig, account: Account) -> tuple[list[FieldProblem], str | None]:
        assert account.name == config.user
        self.looked_at.append(config)
        return self.problems, None if self.problems else "/usr/bin/python3"

    def _look_at_path(self, config: ServiceConfig, account: Account) -> list[FieldProblem]:
        assert account.name == config.user
        self.programs_looked_at.append(config.interpreter)
        return self.path_problems
