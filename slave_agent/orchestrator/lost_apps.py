"""Apps whose unit is there while what is written down of them is gone or can't be read: told, not forgotten."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from slave_agent.errors import AgentError
from slave_agent.orchestrator.app_store import AppStore
from slave_agent.privilege import Privilege

ASK_SECONDS = 600.0
_log = logging.getLogger(__name__)


class LostApps:
    """Given where records are, who knows which units there are, and a clock."""

    def __init__(self, store: AppStore, privilege: Privilege, now: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._privilege = privilege
        self._now = now
        self._known: set[str] = set()
        self._ask_at = 0.0
        self._lock = threading.Lock()

    def ask(self) -> None:
        """Ask which units there are, unless that was known ten minutes ago. No answer: asked again the next time."""
        with self._lock:
            if self._now() < self._ask_at:
                return
            try:
                self._known.update(self._privilege.installed())
            except AgentError as error:
                _log.info("which units there are is not known: %s", error)
                return
            self._ask_at = self._now() + ASK_SECONDS

    def candidates(self) -> list[str]:
        """The names without a record that can be read, sorted: of units that were found, of files that hold no record,
        and of apps that had one while this agent ran. Whether there is a unit is systemd's to say.
        """
        written = set(self._store.names())
        readable = {record.name for record in self._store.all()}
        with self._lock:
            self._known |= readable
            return sorted((self._known | written) - readable)

    def forget(self, name: str) -> None:
        """Given an app that was removed, look for it no more."""
        with self._lock:
            self._known.discard(name)
