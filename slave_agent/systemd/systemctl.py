"""Runs systemctl and systemd-analyze through the runner that it is given. Thin: what is asked is decided elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Optional, Protocol

from slave_agent.systemd.errors import SystemdError
from slave_agent.systemd.parser import SHOW_PROPERTIES, ServiceStatus, parse_exposure, parse_show
from slave_agent.systemd.states import UnitVerb

SHOW_SECONDS = 15.0
RELOAD_SECONDS = 60.0
VERIFY_SECONDS = 60.0
ACT_SECONDS = 50.0  # longer than an app's own time to stop, shorter than the helper's life


class Finished(Protocol):
    """A command that ended; `exit_code` None stands for one that did not end or could not start."""

    @property
    def exit_code(self) -> Optional[int]: ...

    @property
    def stdout(self) -> str: ...

    @property
    def stderr(self) -> str: ...


Run = Callable[[Sequence[str], float], Finished]


class Systemctl:
    """The manager of the system, or of the user whom this process runs as."""

    def __init__(self, run: Run, is_user: bool = False) -> None:
        """Given how processes are run (argv, seconds): never with a shell, never raising for a non-zero exit."""
        self._run = run
        self.is_user = is_user

    def show(self, units: Sequence[str]) -> dict[str, ServiceStatus]:
        """Given units, return the status of each by the name asked for; one process for all. Raises SystemdError."""
        if not units:
            return {}
        options = ["--timestamp=us+utc", f"--property={','.join(SHOW_PROPERTIES)}"]
        done = self._systemctl(SHOW_SECONDS, "show", *options, "--", *units)
        found = parse_show(done.stdout)
        missing = [unit for unit in units if unit not in found]
        if done.exit_code != 0 or missing:
            raise SystemdError(
                f"systemctl did not tell the state of {', '.join(missing or units)}: {reason_of(done)}",
                "See whether systemd answers: systemctl is-system-running",
            )
        return {unit: found[unit] for unit in units}

    def act(self, verb: UnitVerb, unit: str) -> Finished:
        """Given a verb and a unit, do it, wait for it and return how the command ended; a non-zero exit is data."""
        return self._systemctl(ACT_SECONDS, verb.value, "--", unit)

    def revert(self, unit: str) -> Finished:
        """Given a unit, take away what was added to it by hand (`edit`, `set-property`), wherever systemd keeps it; a
        non-zero exit is data.
        """
        return self._systemctl(RELOAD_SECONDS, "revert", "--", unit)

    def daemon_reload(self) -> None:
        """Have the manager read its units again. Raises SystemdError."""
        done = self._systemctl(RELOAD_SECONDS, "daemon-reload")
        if done.exit_code != 0:
            raise SystemdError(
                f"systemd did not read its units again: {reason_of(done)}", "Run: systemctl daemon-reload"
            )

    def verify(self, path: str) -> tuple[str, ...]:
        """Given a unit file's path, return what systemd-analyze finds wrong with it; empty when nothing is.

        What it says of other units is theirs, and not returned.
        """
        scope = ["--user"] if self.is_user else []
        done = self._run(["systemd-analyze", *scope, "verify", "--man=no", path], VERIFY_SECONDS)
        said = [line for line in done.stderr.splitlines() if line.strip()]
        own = tuple(line for line in said if PurePath(path).name in line)
        return own or (() if done.exit_code == 0 else (reason_of(done),))

    def exposure(self, unit: str) -> Optional[float]:
        """Given a loaded unit, return how much of the host it reaches by systemd-analyze security: 0 (nothing) to 10.

        None where it can't be told.
        """
        scope = ["--user"] if self.is_user else []
        done = self._run(["systemd-analyze", *scope, "security", "--no-pager", unit], SHOW_SECONDS)
        return parse_exposure(done.stdout)

    def _systemctl(self, seconds: float, *words: str) -> Finished:
        scope = ["--user"] if self.is_user else []
        return self._run(["systemctl", *scope, "--no-ask-password", "--no-pager", *words], seconds)


def reason_of(done: Finished) -> str:
    """Given a command that ended, return its last words, for a message."""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[-1] if lines else f"exit code {done.exit_code}"
