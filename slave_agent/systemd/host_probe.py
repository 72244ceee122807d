"""Looks at the host as the user whom this process runs as. Thin: what it means is decided in host_checks.py."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Optional

from slave_agent.systemd.document_rules import FieldProblem
from slave_agent.systemd.ports import port_problem
from slave_agent.systemd.probe import Kind, Look, PathPart
from slave_agent.systemd.systemctl import Run, reason_of
from slave_agent.systemd.ways import parts_of

IMPORT_SECONDS = 12.0
LONGEST_TEXT_BYTES = 1024 * 1024
# The interpreter looks for modules as it will for the app: from its folder on, with what is installed beside it.
_FIND_MODULES = """\
import importlib.util, os, sys
os.chdir(sys.argv[1])
sys.path[0] = os.getcwd()
for name in sys.argv[2:]:
    try:
        is_found = importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        is_found = False
    if not is_found:
        print("missing:" + name)
print("looked")
"""


class HostProbe:
    """The real host. Given how processes are run (for the interpreter's own view of its modules)."""

    def __init__(self, run: Optional[Run] = None) -> None:
        self._run = run

    def look(self, path: str) -> Look:
        """Return what lies at the path."""
        try:
            mode = Path(path).stat().st_mode
        except PermissionError:
            return Look(Kind.HIDDEN)
        except OSError:
            return Look(Kind.BROKEN_LINK if Path(path).is_symlink() else Kind.MISSING)
        kind = Kind.FILE if stat.S_ISREG(mode) else Kind.FOLDER if stat.S_ISDIR(mode) else Kind.OTHER
        return Look(kind, os.access(path, os.R_OK), os.access(path, os.X_OK))

    def names_in(self, folder: str) -> tuple[str, ...]:
        """Return the names in a folder, none where it can't be read."""
        try:
            return tuple(sorted(one.name for one in Path(folder).iterdir()))
        except OSError:
            return ()

    def text_of(self, path: str) -> Optional[str]:
        """Return the text of a regular file of at most 1 MiB, or None."""
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, encoding="utf-8", errors="replace") as stream:
                facts = os.fstat(stream.fileno())
                is_fit = stat.S_ISREG(facts.st_mode) and facts.st_size <= LONGEST_TEXT_BYTES
                return stream.read() if is_fit else None
        except OSError:
            return None

    def parts_of(self, path: str) -> tuple[PathPart, ...]:
        """Return every folder and link on the way to what the path means, and that itself, as far as can be seen."""
        try:
            return parts_of(path)
        except OSError:
            return ()

    def missing_modules(self, python: str, working_dir: str, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return which of some top-level modules the interpreter does not find. Raises OSError when it can't be run."""
        if self._run is None:
            return ()
        done = self._run([python, "-c", _FIND_MODULES, working_dir, *names], IMPORT_SECONDS)
        lines = done.stdout.splitlines()
        if done.exit_code != 0 or lines[-1:] != ["looked"]:
            raise OSError(reason_of(done))
        return tuple(name for name in names if f"missing:{name}" in lines)

    def port_problem(self, host: Optional[str], port: int) -> Optional[FieldProblem]:
        """Return why an app could not listen there, or None. Nothing is kept open."""
        return port_problem(host, port)
