"""Apps come and go: whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from typing import Any

from slave_agent.errors import AgentError
from slave_agent.models import JsonObject
from slave_agent.orchestrator.app_store import AppRecord, AppStore
from slave_agent.orchestrator.editing import presentable
from slave_agent.orchestrator.editor import forget_former
from slave_agent.orchestrator.errors import AgentStops, NameTaken, NoSuchApp, RecordNotKept, WrongFields
from slave_agent.orchestrator.lifecycle import Lifecycle
from slave_agent.orchestrator.log_tail import LogTail
from slave_agent.orchestrator.recovery import Recovery
from slave_agent.orchestrator.turns import Turns
from slave_agent.privilege import Privilege
from slave_agent.states import AppPhase
from slave_agent.systemd.service_config import APP_NAME, config_from, document_of, problems_in, unit_name
from slave_agent.systemd.unit_files import UnitFileState

_log = logging.getLogger(__name__)


class Registrar:
    """Given where records are, who gives orders, the lifecycle, logs, whose turn it is, and recovery."""

    def __init__(
        self,
        store: AppStore,
        privilege: Privilege,
        lifecycle: Lifecycle,
        log_tail: LogTail,
        turns: Turns,
        recovery: Recovery,
    ) -> None:
        self._store = store
        self._privilege = privilege
        self._lifecycle = lifecycle
        self._log_tail = log_tail
        self._turns = turns
        self._recovery = recovery

    def register(self, document: JsonObject) -> str:
        """Given an app's document, have it run and begin at boot; return its name.

        Raises WrongFields with every problem of grammar and host, NameTaken, TooSoon, DidNotStayUp; then nothing is
        left of it.
        """
        self._refuse_problems(document)
        config = config_from(document)
        with self._turns.turn(config.name):
            self._recovery.settle(config.name)
            self._refuse_taken(config.name)
            self._turns.claim(config.name)
            record = AppRecord(
                config.name,
                document_of(config),
                tuple(sorted(config.environment)),
                AppPhase.REGISTERING,
                log_after=self._log_tail.newest_cursor(config.name),
            )
            self._store.write(record)
            try:
                self._privilege.install(document)
                self._lifecycle.set_enabled(config.name, True)
                self._lifecycle.start(config)
                self._store.write(record.in_phase(AppPhase.REGISTERED))
            except AgentStops:  # no time to undo it: what is written down lets the next start do it
                raise
            except BaseException:
                self._undo(config.name)
                raise
            forget_former(self._privilege, config.name)
            _log.info("app %s registered as %s for the user %s", config.name, config.unit, config.user)
            return config.name

    def unregister(self, name: str) -> None:
        """Given an app's name, leave nothing of it on the disk or in systemd. Also removes a unit of D8's that is not
        written down. Raises NoSuchApp, TooSoon.
        """
        if not APP_NAME.match(name):
            raise NoSuchApp(name)
        with self._turns.turn(name):
            record = self._store.find(name)
            is_installed = record is None and name not in self._store.names() and self._is_installed(name)
            if record is None and not is_installed and name not in self._store.names():
                raise NoSuchApp(name)
            self._turns.claim(name)
            self._privilege.look(name)  # who does not answer shall not leave it half-done
            if record is not None:
                self._write_down(record.in_phase(AppPhase.REMOVING))
            try:
                self._privilege.remove(name)
            except AgentError:
                if record is not None and self._is_whole(name):
                    self._write_down(record)
                raise
            self._store.delete(name)
            _log.info("app %s removed", name)

    def _refuse_problems(self, document: Mapping[str, Any]) -> None:
        """Grammar and host in one answer: what is wrong in itself is left out where the host is looked at."""
        wrong = problems_in(document)
        named = {problem.field for problem in wrong}
        possible = presentable(document, named)
        if possible is not None:
            with suppress(AgentError) if wrong else nullcontext():
                found = self._privilege.check(possible).problems
                wrong += [problem for problem in found if problem.field not in named]
        if wrong:
            raise WrongFields(wrong)

    def _refuse_taken(self, name: str) -> None:
        if name in self._store.names():
            raise NameTaken(f"an app is called {name} already", "Change it with PATCH, or remove it with DELETE first.")
        if self._is_installed(name):
            raise NameTaken(
                f"{unit_name(name)} is there already, but not written down by this agent",
                f"DELETE /api/apps/{name} removes it.",
            )

    def _is_installed(self, name: str) -> bool:
        return self._privilege.look(name).file in (UnitFileState.UNTOUCHED, UnitFileState.EDITED)

    def _write_down(self, record: AppRecord) -> None:
        """A full disk is no reason to keep what somebody wants to remove."""
        try:
            self._store.write(record)
        except RecordNotKept as error:
            _log.error("the phase of %s is not written down: %s", record.name, error)

    def _is_whole(self, name: str) -> bool:
        """Whether a removal that failed has not begun: one that has is noted by whoever does it."""
        try:
            seen = self._privilege.look(name)
        except AgentError:
            return False
        return seen.file is not UnitFileState.MISSING and not seen.has_previous

    def _undo(self, name: str) -> None:
        """Remove what a failed register has made. If even that fails the record stays: the next start tries again."""
        try:
            self._privilege.remove(name)
        except AgentError as error:
            _log.error("what is left of %s could not be removed: %s", name, error)
            return
        self._store.delete(name)
