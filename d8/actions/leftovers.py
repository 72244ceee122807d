"""Finds and ends processes that belong to a folder of ours: by the folder's name in their command or environment."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

PROC = Path("/proc")
POLITE_SECONDS = 5.0
PAUSE_SECONDS = 0.1


def processes_of(folder: Path, proc: Path = PROC) -> list[int]:
    """Given a folder with a unique name, return the processes that name it; never this one. Zombies do not count."""
    mark = str(folder).encode()
    found = []
    for entry in proc.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            texts = [(entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()]
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):  # it has ended, or it is somebody else's
            continue
        if state != "Z" and any(mark in text for text in texts):
            found.append(int(entry.name))
    return found


def end_processes_of(folder: Path, sleep: Callable[[float], None] = time.sleep) -> list[int]:
    """Given a folder, end its processes (TERM, after 5 s KILL); return the ones that are still there."""
    deadline = time.monotonic() + POLITE_SECONDS
    _signal_all(processes_of(folder), signal.SIGTERM)
    while processes_of(folder) and time.monotonic() < deadline:
        sleep(PAUSE_SECONDS)
    for _ in range(10):  # what they started in the meantime dies in the next round
        rest = processes_of(folder)
        if not rest:
            return []
        _signal_all(rest, signal.SIGKILL)
        sleep(PAUSE_SECONDS)
    return processes_of(folder)


def _signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
