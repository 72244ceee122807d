"""Up and down: orders go through the privilege, and success is what systemd says afterwards, not an exit code."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from slave_agent.orchestrator.app_ports import LISTEN_SECONDS, listens
from slave_agent.orchestrator.errors import AgentStops, AppError, DidNotStayUp, Failure
from slave_agent.orchestrator.log_tail import LogTail
from slave_agent.orchestrator.stability import Verdict, how_it_ended, verdict
from slave_agent.privilege import Privilege
from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.service_config import ServiceConfig, unit_name
from slave_agent.systemd.states import UnitState, UnitVerb
from slave_agent.systemd.systemctl import Systemctl

START_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 0.5
_PAUSE_GROWTH = 1.5
Listens = Callable[[ServiceStatus, int], bool]
_MENDED_BY_HAND = "Correct what the log says, then try again."


@dataclass(frozen=True)
class Clock:
    """Time, as tests may replace it. `now` in seconds that only grow."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def moment(self) -> str:
        """The time of day in UTC, in ISO."""
        return datetime.now(UTC).isoformat()


class Lifecycle:
    """Given who may give orders, who knows how units are, where logs are read, and whether the agent is stopping."""

    def __init__(
        self,
        privilege: Privilege,
        systemctl: Systemctl,
        log_tail: LogTail,
        is_stopping: Callable[[], bool],
        clock: Clock | None = None,
        is_listening: Listens = listens,
    ) -> None:
        self._privilege = privilege
        self._systemctl = systemctl
        self._log_tail = log_tail
        self._is_stopping = is_stopping
        self._clock = clock or Clock()
        self._is_listening = is_listening

    def look(self, name: str) -> ServiceStatus:
        """Given an app's name, return what systemd says of its unit."""
        unit = unit_name(name)
        return self._systemctl.show([unit]).get(unit) or ServiceStatus(unit, UnitState.UNKNOWN)

    def start(self, config: ServiceConfig) -> ServiceStatus:
        """Given an app, have it run; one that runs already is left alone. Raises DidNotStayUp, AgentStops."""
        before = self.look(config.name)
        if before.state is UnitState.ACTIVE and before.pid:
            return before
        self._end_crash_loop(before, config.name)
        return self._bring_up(config, UnitVerb.START)

    def restart(self, config: ServiceConfig) -> ServiceStatus:
        """Given an app, have it run as a new process. Raises DidNotStayUp, AgentStops."""
        self._end_crash_loop(self.look(config.name), config.name)
        return self._bring_up(config, UnitVerb.RESTART)

    def stop(self, name: str) -> ServiceStatus:
        """Given an app's name, have no process of it run. Raises AppError when one still does."""
        outcome = self._privilege.act(UnitVerb.STOP, name)
        seen = self.look(name)
        if seen.pid:
            raise AppError(f"{name} still runs as process {seen.pid}", outcome.message or "Look at its log.")
        if seen.state is UnitState.FAILED:  # killed because it did not end by itself: stopped all the same
            self._privilege.act(UnitVerb.RESET_FAILED, name)
            seen = self.look(name)
        return seen

    def set_enabled(self, name: str, is_enabled: bool) -> ServiceStatus:
        """Given an app's name, have it begin at boot, or not. Raises AppError when that is not so afterwards."""
        outcome = self._privilege.act(UnitVerb.ENABLE if is_enabled else UnitVerb.DISABLE, name)
        seen = self.look(name)
        if seen.enabled is not is_enabled:
            wanted = "enabled" if is_enabled else "disabled"
            raise AppError(f"{name} was not {wanted}", outcome.message or "systemd gave no reason.")
        return seen

    def _end_crash_loop(self, before: ServiceStatus, name: str) -> None:
        """Before a start: systemd shall count restarts from 0."""
        if before.state is UnitState.AUTO_RESTART:
            self._privilege.act(UnitVerb.STOP, name)

    def _bring_up(self, config: ServiceConfig, verb: UnitVerb) -> ServiceStatus:
        since = self._clock.moment()
        outcome = self._privilege.act(verb, config.name)
        first: ServiceStatus | None = None
        give_up = self._clock.now() + START_SECONDS
        up_until = listen_until = 0.0
        has_begun = False
        pause = _FIRST_PAUSE_SECONDS
        while True:
            seen = self.look(config.name)
            found = verdict(first, seen)
            if found is Verdict.DOWN or (found is Verdict.ON_THE_WAY and self._clock.now() > give_up):
                raise self._failure(config.name, seen, since, outcome.message)
            if found is Verdict.UP and first is None:
                first, listen_until = seen, self._clock.now() + LISTEN_SECONDS
            if first is not None and not has_begun:
                has_begun = self._has_begun(config, seen, listen_until)
                up_until = self._clock.now() + config.stabilisation_seconds
            left = up_until - self._clock.now() if has_begun else pause
            if has_begun and left <= 0:
                return seen
            if self._is_stopping():
                raise AgentStops(f"the agent stops while {config.name} is starting", "Ask again once it is back.")
            self._clock.sleep(max(0.01, min(pause, left)))
            pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE_SECONDS)

    def _has_begun(self, config: ServiceConfig, seen: ServiceStatus, listen_until: float) -> bool:
        """Whether the time counts in which an app has to stay up. One with a port is given time to listen there first:
        on a slow machine it would otherwise count as up before it has read its own code.
        """
        return config.port is None or self._is_listening(seen, config.port) or self._clock.now() >= listen_until

    def _failure(self, name: str, seen: ServiceStatus, since: str, message: str) -> DidNotStayUp:
        log = self._log_tail.last_words(name, since)
        seen = self._settled(name, seen)
        failure = Failure(seen.result, seen.exit_code, seen.signal, seen.restarts, log)
        told = f"{name} did not stay up: {how_it_ended(seen)}"
        return DidNotStayUp(told, message if message and not log else _MENDED_BY_HAND, failure)

    def _settled(self, name: str, seen: ServiceStatus) -> ServiceStatus:
        """While a unit is between two tries its last exit is not always told yet, afterwards it is."""
        return seen if seen.exit_code is not None or seen.signal else self.look(name)
