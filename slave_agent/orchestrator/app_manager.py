"""The apps of this machine: registered, listed, started, stopped, changed, removed.

How an app fares is asked of systemd at that moment, never remembered.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from slave_agent.errors import AgentError
from slave_agent.models import JsonObject
from slave_agent.orchestrator.app_ports import is_due, listens
from slave_agent.orchestrator.app_status import AppSeen, Judge, ProcessLook, lost_config, lost_document, status_document
from slave_agent.orchestrator.app_store import AppRecord, AppStore
from slave_agent.orchestrator.editing import ENVIRONMENT
from slave_agent.orchestrator.editor import Edited, Editor, EditOrder
from slave_agent.orchestrator.errors import NoSuchApp, RecordLost, WrongFields
from slave_agent.orchestrator.lifecycle import Lifecycle, Listens
from slave_agent.orchestrator.log_tail import LogTail
from slave_agent.orchestrator.lost_apps import LostApps
from slave_agent.orchestrator.recovery import Recovery
from slave_agent.orchestrator.registrar import Registrar
from slave_agent.orchestrator.turns import Turns
from slave_agent.orchestrator.unit_text import unit_file_state
from slave_agent.privilege import Privilege, UnitLook
from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.service_config import APP_NAME, FieldProblem, ServiceConfig, unit_name
from slave_agent.systemd.states import UnitState
from slave_agent.systemd.systemctl import Systemctl
from slave_agent.systemd.unit_files import UnitFileState

_log = logging.getLogger(__name__)


class AppManager:
    """Given what it needs of the rest: where records are, who gives orders, who knows units, lifecycle, logs, turns,
    recovery, which apps are lost; how to look at processes, the table that says how an app fares, and who
    listens on ports.
    """

    def __init__(
        self,
        store: AppStore,
        privilege: Privilege,
        systemctl: Systemctl,
        lifecycle: Lifecycle,
        log_tail: LogTail,
        turns: Turns,
        recovery: Recovery,
        lost: LostApps,
        look_at_processes: ProcessLook,
        judge: Judge,
        listens: Listens = listens,
    ) -> None:
        self._store = store
        self._privilege = privilege
        self._systemctl = systemctl
        self._lifecycle = lifecycle
        self._log_tail = log_tail
        self._turns = turns
        self.recovery = recovery
        self.lost = lost
        self._look_at_processes = look_at_processes
        self._judge = judge
        self._listens = listens
        self._editor = Editor(store, privilege, lifecycle)
        self._registrar = Registrar(store, privilege, lifecycle, log_tail, turns, recovery)

    def statuses(self) -> list[JsonObject]:
        """The AppStatus of every app, by name, those whose record is lost among them; one systemctl for all of them,
        none where there are no apps.
        """
        return self._documents(self._store.all(), self.lost.candidates())

    def status(self, name: str) -> JsonObject:
        """The AppStatus of one app. Raises NoSuchApp."""
        record = self._find(name)
        return self._lost_document(name) if record is None else self._documents([record])[0]

    def log_lines(self, name: str) -> tuple[str, ...]:
        """The last lines of an app's log. Raises NoSuchApp."""
        record = self._find(name)
        if record is None:
            self._lost_document(name)
        return self._log_tail.last(name, after=record.log_after if record else None)

    def detail(self, name: str) -> JsonObject:
        """An app's AppStatus, its configuration (empty where its record is lost), and its exposure: how much of the
        machine it reaches by `systemd-analyze security`, 0 (nothing) to 10, None where systemd does not tell. Raises
        NoSuchApp.
        """
        record = self._find(name)
        return {
            "app": self.status(name),
            "config": record.document if record else {},
            "environment_names": list(record.environment_names) if record else [],
            "exposure": self._systemctl.exposure(unit_name(name)),
        }

    def configs(self) -> list[ServiceConfig]:
        """Every app that is registered, by name, without the values of its environment."""
        return [record.config for record in self._store.all()]

    def register(self, document: JsonObject) -> JsonObject:
        """Given an app's document, have it run and begin at boot; return its AppStatus.

        Raises WrongFields with every problem of grammar and host, NameTaken, TooSoon, DidNotStayUp; then nothing is
        left of it.
        """
        return self.status(self._registrar.register(document))

    def unregister(self, name: str) -> None:
        """Given an app's name, leave nothing of it on the disk or in systemd. Also removes a unit of D8's that is not
        written down. Raises NoSuchApp, TooSoon.
        """
        self._registrar.unregister(name)
        self.lost.forget(name)

    def start(self, name: str) -> JsonObject:
        """Given an app's name, have it run; return its AppStatus. Raises NoSuchApp, TooSoon, DidNotStayUp."""
        return self._operate(name, self._lifecycle.start)

    def restart(self, name: str) -> JsonObject:
        """Given an app's name, have it run as a new process. Raises NoSuchApp, TooSoon, DidNotStayUp."""
        return self._operate(name, self._lifecycle.restart)

    def stop(self, name: str) -> JsonObject:
        """Given an app's name, have no process of it run. Raises NoSuchApp, TooSoon, AppError."""
        return self._operate(name, lambda config: self._lifecycle.stop(config.name), needs_unit=False)

    def enable(self, name: str) -> JsonObject:
        """Given an app's name, have it begin at boot. Raises NoSuchApp, TooSoon, AppError."""
        return self._operate(name, lambda config: self._lifecycle.set_enabled(config.name, True))

    def disable(self, name: str) -> JsonObject:
        """Given an app's name, have it not begin at boot. Raises NoSuchApp, TooSoon, AppError."""
        return self._operate(name, lambda config: self._lifecycle.set_enabled(config.name, False), needs_unit=False)

    def edit(self, name: str, order: EditOrder) -> tuple[JsonObject, Edited]:
        """Given an app's name and what shall change, change it; return its AppStatus and what was done.

        Raises NoSuchApp, RecordLost, WrongFields, TooSoon, DidNotStayUp (and then the former version runs again).
        """
        with self._turns.turn(name):
            self.recovery.settle(name)
            record = self._find(name)
            if record is None:
                self._lost_document(name)
                raise RecordLost(name)
            seen = self._privilege.look(name)
            _refuse_lost_environment(record, seen, order.fields.get(ENVIRONMENT))
            plan = self._editor.plan(record, order)
            if not order.is_dry_run:
                self._turns.claim(name)
            edited = self._editor.carry_out(plan, order)
            if seen.file is UnitFileState.MISSING and not order.is_dry_run:
                self._lifecycle.set_enabled(name, True)
            return self.status(name), edited

    def _operate(self, name: str, act: Callable[[ServiceConfig], ServiceStatus], needs_unit: bool = True) -> JsonObject:
        if self._find(name) is None:
            self._lost_document(name)
        self._turns.claim(name)
        with self._turns.turn(name):
            try:
                self.recovery.settle(name)
            except AgentError as error:  # as a full disk: what needs no unit goes on
                if needs_unit:
                    raise
                _log.warning("%s is not settled before it is ended: %s", name, error)
            record = self._find(name)
            if record is None:
                self._lost_document(name)
            elif needs_unit:
                self._make_whole(record)
            act(lost_config(name) if record is None else record.config)
            return self.status(name)

    def _make_whole(self, record: AppRecord) -> None:
        """Before what needs the unit: one that was removed by hand is written again, if its environment is left.
        Without that systemd would end an app that runs, and start it no more.
        """
        seen = self._privilege.look(record.name)
        is_missing = seen.file is UnitFileState.MISSING
        if is_missing or (seen.file is UnitFileState.UNTOUCHED and not seen.environment_names):
            _refuse_lost_environment(record, seen, {})
        if is_missing:
            _log.warning("the unit of %s was removed by hand: it is written again", record.name)
            self._privilege.install(record.document, keep_environment=True)
            self._lifecycle.set_enabled(record.name, True)

    def _find(self, name: str) -> AppRecord | None:
        return self._store.find(name) if APP_NAME.match(name) else None

    def _lost_document(self, name: str) -> JsonObject:
        """The AppStatus of an app whose record is lost. Raises NoSuchApp where there is no unit of it either."""
        found = self._documents([], [name]) if name in self.lost.candidates() else []
        if not found:
            raise NoSuchApp(name)
        return found[0]

    def _documents(self, records: Sequence[AppRecord], lost: Sequence[str] = ()) -> list[JsonObject]:
        pairs = [(record, record.config) for record in records]
        asked = [*(config.unit for _, config in pairs), *map(unit_name, lost)]
        shown = self._systemctl.show(asked) if asked else {}
        units = {
            config.name: shown.get(config.unit) or ServiceStatus(config.unit, UnitState.UNKNOWN) for _, config in pairs
        }
        processes = self._look_at_processes([(config, units[config.name]) for _, config in pairs])
        documents, now = [], datetime.now(UTC)
        for record, config in pairs:
            unit = units[config.name]
            is_deaf = config.port is not None and is_due(unit, now) and not self._listens(unit, config.port)
            seen = AppSeen(record, config, unit, processes.get(config.name), unit_file_state(unit), is_deaf)
            documents.append(status_document(seen, self._judge))
        for name in lost:
            found = shown.get(unit_name(name))
            if found is not None and not found.is_without_file:
                documents.append(lost_document(name, found, self._judge))
        return sorted(documents, key=lambda document: str(document["name"]))


def _refuse_lost_environment(record: AppRecord, seen: UnitLook, patch: object) -> None:
    """Values that a hand has removed are known to nobody here: without them the app would be another one."""
    lost = set(record.environment_names) - set(seen.environment_names) - set(patch if isinstance(patch, dict) else ())
    if lost:
        told = f"removed by hand, its values are not known any more: {', '.join(sorted(lost))}"
        hint = "PATCH with each of these names and its value; null leaves one out."
        raise WrongFields([FieldProblem(ENVIRONMENT, told, hint)])
