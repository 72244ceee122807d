"""Runs systemctl and systemd-analyze through the runner that it is given. Thin: what is asked is decided elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Optional, Protocol

from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.states import UnitVerb


class Finished(Protocol):
    """A command that ended; `exit_code` None stands for one that did not end or could not start."""

    @property
    def exit_code(self) -> Optional[int]: ...

    @property
    def stdout(self) -> str: ...

    @property
    def stderr(self) -> str: ...


Run = Callable[[Sequence[str], float], Any]


class Systemctl:
    """The manager of the system, or of the user whom this process runs as."""

    def __init__(self, run: Callable[[Sequence[str], float], Finished], is_user: bool = False) -> None:
        self._run = run
        self.is_user = is_user

    def show(self, units: Sequence[str]) -> dict[str, ServiceStatus]:
        """Given units, return the status of each, with one process for all. Raises SystemdError."""
        raise NotImplementedError

    def act(self, verb: UnitVerb, unit: str) -> Finished:
        """Given a verb and a unit, do it and return how the command ended; a non-zero exit is data."""
        raise NotImplementedError

    def daemon_reload(self) -> None:
        """Have the manager read its units again. Raises SystemdError."""
        raise NotImplementedError

    def verify(self, path: str) -> tuple[str, ...]:
        """Given a unit file's path, return what systemd-analyze finds wrong with it; empty when nothing is."""
        raise NotImplementedError
