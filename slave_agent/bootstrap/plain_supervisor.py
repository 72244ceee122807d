"""A job where there are no POSIX processes (Windows): the command runs, its output is spooled, its time is kept, and
what is below it is ended with taskkill.

What escapes there, a process whose parent has ended, is not found again: there is no subreaper and no tag to look for.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, Any

from slave_agent.bootstrap.containment import run_silently
from slave_agent.bootstrap.spool import SpoolWriter
from slave_agent.bootstrap.supervisor import LAST_READS, READ_BYTES, Supervisor, stdin_of
from slave_agent.bootstrap.sweep import TAG_NAME

LAST_OUTPUT_SECONDS = 2.0


def shell_line(command: str, shell: str) -> str:
    """Return the command line by which cmd.exe runs `command` as it was typed (with /s only the outer quotes go)."""
    return f'"{shell}" /d /s /c "{command}"'


class PlainSupervisor(Supervisor):
    """Runs one job from its folder, with what Windows has."""

    def __init__(self, folder: Path, request: dict[str, Any]) -> None:
        super().__init__(folder, request)
        self._process: subprocess.Popen[bytes] | None = None
        self._readers: list[threading.Thread] = []

    def _listen_to_signals(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_is_told_to_stop", True))

    def _start(self) -> None:
        environment = {**self._request["environment"], TAG_NAME: self._job_id}
        with stdin_of(self._request["stdin"]) as stdin:
            self._process = subprocess.Popen(
                shell_line(self._request["command"], os.environ.get("COMSPEC", "cmd.exe")),
                cwd=self._request["working_dir"],
                env=environment,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        self._child = self._process.pid
        for stream, spool in zip((self._process.stdout, self._process.stderr), self._spools):  # noqa: B905  Python 3.9
            assert stream is not None  # noqa: S101
            reader = threading.Thread(target=copy_output, args=(stream, spool), daemon=True)
            reader.start()
            self._readers.append(reader)

    def _pump(self, seconds: float) -> bool:
        """Let time pass; the readers move the output. Return whether any of them still may."""
        time.sleep(seconds)
        return any(reader.is_alive() for reader in self._readers)

    def _reap(self) -> None:
        if self._process is not None and self._exit_code is None:
            self._exit_code = self._process.poll()

    def _sweep(self, patiently: bool) -> None:  # noqa: ARG002  what has ended has no children that we could find
        """End the command, if it still runs, with everything below it."""
        if self._process is not None and self._process.poll() is None:
            run_silently(["taskkill", "/T", "/F", "/PID", str(self._child)])
            self._process.kill()
            self._process.wait()

    def _drain(self) -> None:
        for _ in range(LAST_READS):
            if not self._pump(LAST_OUTPUT_SECONDS / LAST_READS):
                return


def copy_output(stream: IO[bytes], spool: SpoolWriter) -> None:
    """Move everything from a pipe to a spool until the last writer has closed it."""
    while data := os.read(stream.fileno(), READ_BYTES):
        spool.write(data)
