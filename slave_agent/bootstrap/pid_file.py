"""One server a folder: the pid file is locked as long as its server lives, so what it says can be trusted."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Callable

from slave_agent.bootstrap.errors import AlreadyRunning
from slave_agent.bootstrap.host_system import HAS_POSIX, OPEN_FLAGS, lock_now
from slave_agent.bootstrap.process_table import read_process
from slave_agent.bootstrap.texts import say

STOP_PATIENCE_SECONDS = 15.0
HOLD_PATIENCE_SECONDS = 1.0
"""Somebody may just be looking whether the file is held."""


def hold_pid_file(path: Path, language: str) -> int:
    """Lock the pid file, write our number into it and return its descriptor, to be kept open. Raises AlreadyRunning."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | OPEN_FLAGS, 0o600)
    deadline = time.monotonic() + HOLD_PATIENCE_SECONDS
    while not lock_now(descriptor):
        if time.monotonic() > deadline:
            os.close(descriptor)
            pid = running_pid(path) or "?"
            raise AlreadyRunning(say(language, "running", pid=pid), say(language, "running_hint", pid=pid))
        time.sleep(0.05)
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
    return descriptor


def running_pid(path: Path) -> int | None:
    """Return the number of the server that holds the pid file, or None when there is none."""
    try:
        descriptor = os.open(path, (os.O_RDONLY if HAS_POSIX else os.O_RDWR) | OPEN_FLAGS)
    except FileNotFoundError:
        return None
    try:
        return None if lock_now(descriptor, is_shared=True) else int(os.read(descriptor, 32) or b"0") or None
    finally:
        os.close(descriptor)


def stop_server(path: Path, wait: Callable[[float], None] = time.sleep) -> int | None:
    """Stop the server that holds the pid file: TERM, then KILL after 15 s.

    Returns its number once it is gone, or None if there was none.
    """
    pid = running_pid(path)
    deadline = time.monotonic() + STOP_PATIENCE_SECONDS
    number = signal.SIGTERM
    while pid is not None and running_pid(path) == pid:
        os.kill(pid, number)
        if time.monotonic() > deadline:
            number = getattr(signal, "SIGKILL", signal.SIGTERM)
        wait(0.1)
    while pid is not None and is_alive(pid) and time.monotonic() < deadline:
        wait(0.02)
    return pid


def is_alive(pid: int) -> bool:
    """Whether there is such a process, zombies not counted."""
    process = read_process(pid)
    return process is not None and process.state not in "ZX"
