"""What a killed agent left half-done is undone or finished, so that each app is whole or gone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from slave_agent.errors import AgentError, PrivilegeUnavailable
from slave_agent.orchestrator.app_store import AppRecord, AppStore
from slave_agent.orchestrator.errors import TooSoon
from slave_agent.orchestrator.lifecycle import Lifecycle
from slave_agent.orchestrator.turns import Turns
from slave_agent.privilege import Privilege
from slave_agent.states import AppPhase

_TRIES = 10
_PAUSE_SECONDS = 3.0
_log = logging.getLogger(__name__)


class Recovery:
    """Given where records are, who gives orders, the lifecycle, whose turn it is, and how to sleep."""

    def __init__(
        self,
        store: AppStore,
        privilege: Privilege,
        lifecycle: Lifecycle,
        turns: Turns,
        sleep: Callable[[float], object],
    ) -> None:
        self._store = store
        self._privilege = privilege
        self._lifecycle = lifecycle
        self._turns = turns
        self._sleep = sleep
        self._at_work = threading.Lock()
        self._told: dict[str, str] = {}

    def start(self) -> None:
        """Settle what nobody works on, in a thread of its own: who gives orders may be slow to answer, the server must
        not be. Repeating it is fine.
        """
        if self._left() and not self._at_work.locked():
            threading.Thread(target=self.run, name="app-recovery", daemon=True).start()

    def run(self) -> None:
        """Settle every app that somebody left half-done. What fails stays written down: the next operation on the app,
        or the next time this is asked, tries again.
        """
        if not self._at_work.acquire(blocking=False):
            return
        try:
            self._settle_all()
        finally:
            self._at_work.release()

    def _left(self) -> list[AppRecord]:
        """The half-done apps that nobody is at work on."""
        half_done = (record for record in self._store.all() if record.phase is not AppPhase.REGISTERED)
        return [record for record in half_done if not self._turns.is_taken(record.name)]

    def _settle_all(self) -> None:
        for record in self._left():
            for _ in range(_TRIES):
                try:
                    with self._turns.turn(record.name):
                        self.settle(record.name)
                    self._told.pop(record.name, None)
                    break
                except (PrivilegeUnavailable, TooSoon) as error:
                    self._tell(record.name, error)
                    self._sleep(_PAUSE_SECONDS)
                except AgentError as error:
                    self._tell(record.name, error)
                    break

    def _tell(self, name: str, error: AgentError) -> None:
        """Say once, not at every try, why an app can't be settled: a full disk may stay full for days."""
        if self._told.get(name) != str(error):
            _log.warning("the app %s can't be settled yet: %s", name, error)
        self._told[name] = str(error)

    def settle(self, name: str) -> None:
        """Given an app whose turn it is, settle it if it is half-done. Raises AgentError; then it stays as it is."""
        record = self._store.find(name)
        if record is None or record.phase is AppPhase.REGISTERED:
            return
        if record.phase is AppPhase.EDITING:
            self._put_back(record)
            _log.warning("a change of %s had not ended: the former version is back", name)
        else:
            self._privilege.remove(name)
            self._store.delete(name)
            began = "registration" if record.phase is AppPhase.REGISTERING else "removal"
            _log.warning("%s is gone: its %s had not ended", name, began)

    def _put_back(self, record: AppRecord) -> None:
        former = record.as_before_edit()
        was_replaced = self._privilege.restore(record.name)
        self._store.write(former)
        if was_replaced and record.former_ran and record.is_restart_wanted:
            self._lifecycle.restart(former.config)
