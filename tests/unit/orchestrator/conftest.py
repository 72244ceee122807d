"""Apps on a machine in memory, with a clock that only moves when somebody sleeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from slave_agent.monitor.reconcile import reconcile
from slave_agent.orchestrator.app_manager import AppManager
from slave_agent.orchestrator.app_store import AppRecord, AppStore
from slave_agent.orchestrator.lifecycle import Clock, Lifecycle
from slave_agent.orchestrator.lost_apps import LostApps
from slave_agent.orchestrator.recovery import Recovery
from slave_agent.orchestrator.turns import Turns
from slave_agent.systemd.parser import ServiceStatus
from tests.support.machine_in_memory import MachineInMemory

DOCUMENT: dict[str, Any] = {
    "name": "shop",
    "kind": "node",
    "script": "/srv/shop/server.js",
    "user": "pi",
    "working_dir": "/srv/shop",
    "environment": {"TOKEN": "geheim", "PORT": "3000"},
    "stabilisation_seconds": 3.0,
}


class StillClock:
    """Seconds that pass only in sleep."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class ScriptedLog:
    """The last lines of any app, as LogTail gives them."""

    def __init__(self) -> None:
        self.lines: tuple[str, ...] = ("listening", "boom")
        self.cursor: str | None = "s=0"

    def last(self, name: str, lines: int = 10, since: str | None = None, after: str | None = None) -> tuple[str, ...]:
        return self.lines[-lines:] if after != self.cursor else ()

    def newest_cursor(self, name: str) -> str | None:
        return self.cursor

    def last_words(self, name: str, since: str) -> tuple[str, ...]:
        return self.lines


@dataclass
class Slave:
    """An agent's apps; `again` is the agent after a restart."""

    folder: Path
    machine: MachineInMemory = field(default_factory=MachineInMemory)
    clock: StillClock = field(default_factory=StillClock)
    log: ScriptedLog = field(default_factory=ScriptedLog)
    is_stopping: bool = False
    listens_at: float = 0.0

    def listens(self, unit: ServiceStatus, port: int) -> bool:
        return self.clock.seconds >= self.listens_at

    def __post_init__(self) -> None:
        self.again()

    def again(self) -> None:
        self.machine.is_dead, self.machine.dies_at = False, None
        self.store = AppStore(self.folder / "apps")
        turns = self.turns = Turns(self.clock.now)
        clock = Clock(self.clock.now, self.clock.sleep)
        machine: Any = self.machine
        log: Any = self.log
        lifecycle = Lifecycle(machine, machine, log, lambda: self.is_stopping, clock, self.listens)
        self.recovery = Recovery(self.store, machine, lifecycle, turns, self.clock.sleep)
        self.lost = LostApps(self.store, machine, self.clock.now)
        self.apps = AppManager(
            self.store,
            machine,
            machine,
            lifecycle,
            log,
            turns,
            self.recovery,
            self.lost,
            lambda apps: {},
            reconcile,
            self.listens,
        )

    def record(self) -> AppRecord:
        """What is written down of the app shop."""
        record = self.store.find("shop")
        assert record is not None
        return record

    def wait(self) -> None:
        """Let the second pass in which an app takes no other operation."""
        self.clock.sleep(1.0)


@pytest.fixture
def slave(tmp_path: Path) -> Slave:
    return Slave(tmp_path)


@pytest.fixture
def registered(slave: Slave) -> Slave:
    """A slave with the app shop, which runs."""
    slave.apps.register(DOCUMENT)
    slave.wait()
    slave.machine.asked.clear()
    return slave
