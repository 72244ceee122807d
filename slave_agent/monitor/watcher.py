"""The loop that looks, again and again, at apps and chosen processes, and writes down what is worth an event."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from slave_agent.errors import AgentError
from slave_agent.json_lines import JsonLines
from slave_agent.monitor.events import record
from slave_agent.monitor.incidents import EventKind, Memory, Observation, judge, told_before
from slave_agent.monitor.restart_counts import RestartCounts
from slave_agent.systemd.errors import SystemdError

LOOK_SECONDS = 10.0
_JITTER = 0.2  # a fleet that was started together shall not look at the same moment
_log = logging.getLogger(__name__)


class Watcher:
    """Given who looks, where events go, the restarts counted so far, the seconds between looks, and who settles what
    was left half-done. `start` begins, `stop` ends; `look` is one round, for tests and for whoever wants to know now.
    """

    def __init__(
        self,
        observe: Callable[[], Sequence[Observation]],
        events: JsonLines,
        counts: RestartCounts,
        seconds: float = LOOK_SECONDS,
        settle: Callable[[], object] = lambda: None,
    ) -> None:
        self._settle = settle
        self._observe = observe
        self._events = events
        self._seconds = seconds
        self._counts = counts
        self._memories: dict[tuple[str, str], Memory] = told_before(events.newest(events.keep))
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        self._is_blind = False

    def start(self) -> None:
        """Look from now on, in a thread of its own: systemctl and psutil wait, the server must not."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more. Returns at once; a look that has begun ends by itself."""
        self._stopping.set()

    def look(self) -> None:
        """Look once. What keeps it from looking is logged once, and no subject is judged by it."""
        self._settle()
        try:
            seen = self._observe()
        except (AgentError, SystemdError) as error:
            if not self._is_blind:
                _log.warning("apps can't be watched: %s", error)
            self._is_blind = True
            return
        self._is_blind = False
        before, self._memories = self._memories, {}
        for now in seen:
            key = (now.subject.value, now.name)
            known = replace(before.pop(key, Memory()), restarts=self._counts.before(now))
            self._memories[key], told = judge(known, now)
            if told is not None:
                self._tell(told, *key, now)
        for key, memory in before.items():
            if memory.told is not None:
                self._tell(EventKind.STOPPED, *key, None)
        self._counts.keep(seen)

    def _tell(self, kind: EventKind, subject: str, name: str, now: Observation | None) -> None:
        event = record(self._events, kind, subject, name, now)
        _log.warning("%s %s: %s%s", subject, name, kind.value, f" ({event['detail']})" if event["detail"] else "")

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds * random.uniform(1 - _JITTER, 1 + _JITTER)):  # noqa: S311
            try:
                self.look()
            except Exception:
                _log.exception("a look at the apps failed")
