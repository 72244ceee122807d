"""Looks at other processes through /proc: who holds a port, and is this still the process that was meant."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
LISTENING = "0A"
BOOTSTRAP_FILE = "slave_server.py"


@dataclass(frozen=True)
class Process:
    """A process and the moment it started (clock ticks since boot): together they are never reused."""

    pid: int
    started_ticks: int


def find_process(pid: int) -> Process | None:
    """Return the living process with this pid; None if there is none or only a zombie."""
    try:
        state, *numbers = (PROC / str(pid) / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in "ZX" else Process(pid, int(numbers[18]))


def command_line(pid: int) -> list[str]:
    """The argv of a process; empty when it is gone."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def user_of(pid: int) -> int | None:
    """The user id a process runs as; None when it is gone."""
    try:
        return (PROC / str(pid)).stat().st_uid
    except OSError:
        return None


def is_bootstrap(pid: int) -> bool:
    """Whether the process is a bootstrap's server (not the supervisor of one of its jobs)."""
    argv = command_line(pid)
    return any(Path(word).name == BOOTSTRAP_FILE for word in argv[:4]) and "--run-job" not in argv


def holders(port: int) -> list[int]:
    """The pids that listen on a TCP port, as far as we may look into them."""
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    found = []
    for folder in PROC.iterdir() if wanted else ():
        if folder.name.isdigit() and wanted & set(_open_links(folder / "fd")):
            found.append(int(folder.name))
    return sorted(found)


def stop(pid: int, patience_seconds: float = 5.0, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Ask the process to end, kill it after the patience; return whether that very process is gone."""
    process = find_process(pid)
    if process is None:
        return True
    for wanted_signal in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, wanted_signal)
        for _ in range(int(patience_seconds * 20) or 1):
            if find_process(pid) != process:
                return True
            sleep(0.05)
    return False


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in (PROC / "net/tcp", PROC / "net/tcp6"):
        with contextlib.suppress(OSError):
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                    inodes.add(columns[9])
    return inodes


def _open_links(folder: Path) -> list[str]:
    links = []
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            with contextlib.suppress(OSError):
                links.append(str(entry.readlink()))
    return links
