"""The record of every command that was run, on the terminal and in slave_server.log. Never standard input or
environment.
"""

from __future__ import annotations

import os
import sys
import threading
from datetime import datetime
from pathlib import Path

from slave_agent.bootstrap.host_system import OPEN_FLAGS
from slave_agent.bootstrap.job_models import JobSnapshot
from slave_agent.bootstrap.texts import say

LARGEST_LOG_BYTES = 5 * 1024 * 1024


def visible(text: str) -> str:
    """Return `text` on one line, without anything that could steer a terminal."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


class CommandLog:
    """Writes lines to a private file, which is turned over at 5 MiB, and to the terminal if there is one."""

    def __init__(self, path: Path, language: str) -> None:
        self._path = path
        self._language = language
        self._lock = threading.Lock()

    def began(self, snapshot: JobSnapshot) -> None:
        """A command was started."""
        self.note(f"[{snapshot.id}] {say(self._language, 'began')}: {snapshot.command}")

    def ended(self, snapshot: JobSnapshot) -> None:
        """A command came to its end."""
        exit_code = "-" if snapshot.exit_code is None else snapshot.exit_code
        seconds = f"{snapshot.duration_seconds:.1f}"
        outcome = say(self._language, "ended", state=snapshot.state.value, exit_code=exit_code, seconds=seconds)
        self.note(f"[{snapshot.id}] {outcome}: {snapshot.command}")

    def note(self, text: str) -> None:
        """Write one line with the local time. A full disk or a closed terminal stops nothing."""
        line = f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %z}  {visible(text)}\n"
        with self._lock:
            for write in (self._to_file, self._to_terminal):
                try:
                    write(line)
                except OSError:
                    continue

    def _to_file(self, line: str) -> None:
        if self._path.exists() and self._path.stat().st_size > LARGEST_LOG_BYTES:
            self._path.replace(self._path.with_suffix(".log.1"))
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | OPEN_FLAGS, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8", errors="replace") as stream:
            stream.write(line)

    def _to_terminal(self, line: str) -> None:
        sys.stdout.write(line)
        sys.stdout.flush()
