"""Starts the supervisor of a job so that it outlives the server. The only place that does."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import Protocol, Sequence

from slave_agent.bootstrap.containment import run_silently, unit_command, unit_prefix
from slave_agent.bootstrap.host_system import BACKGROUND_FLAGS


class Launcher(Protocol):
    """What the store needs of a launcher."""

    def root_prefix(self) -> list[str] | None:
        """Return the root prefix where jobs get a unit of their own, else None."""

    def launch(self, folder: Path, prefix: Sequence[str] | None) -> None:
        """Start the supervisor of the job in `folder`; with a prefix, if possible in a unit of its own."""


class SupervisorLauncher:
    """Launches supervisors in a transient unit, or else in a session of their own.

    Given `supervisor`, the command that runs one (the job's folder is appended), and whether privilege may be used.
    """

    def __init__(self, supervisor: Sequence[str], may_use_privilege: bool) -> None:
        self._supervisor = list(supervisor)
        self._may_use_privilege = may_use_privilege

    def root_prefix(self) -> list[str] | None:
        """Ask anew each time: an earlier job may have installed sudo, or taken it away."""
        return unit_prefix() if self._may_use_privilege else None

    def launch(self, folder: Path, prefix: Sequence[str] | None) -> None:
        """Start the supervisor. Should the unit fail after it began, the job's lock keeps a second one from running."""
        command = [*self._supervisor, str(folder)]
        if prefix is not None:
            in_unit = [*prefix, *unit_command(folder.name, command, os.getuid(), os.getgid())]
            if run_silently(in_unit) == 0:
                return
        nothing = subprocess.DEVNULL
        process = subprocess.Popen(
            command,
            cwd="/",
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            start_new_session=True,
            close_fds=True,
            creationflags=BACKGROUND_FLAGS,
        )
        threading.Thread(target=process.wait, name=f"reap {folder.name}", daemon=True).start()


def package_supervisor(python: str, release: Path) -> list[str]:
    """Return the supervisor command for a server that runs from the package; `release` is the folder of
    slave_agent/.
    """
    code = (
        "import pathlib, sys; sys.path.insert(0, sys.argv[1]); "
        "from slave_agent.bootstrap.supervisor import run_job; sys.exit(run_job(pathlib.Path(sys.argv[2])))"
    )
    return [python, "-I", "-S", "-c", code, str(release)]
