"""The only module that starts processes. What to run is decided elsewhere; a non-zero exit is data, no exception."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

JOB_TAG = "D8_JOB_TAG"
# sh leaves the child to init, so that nobody has to reap it, and tells its pid. A server that a job starts is no job.
SPAWN = """log=$1; shift; umask 077; { echo 0 >/proc/self/oom_score_adj; } 2>/dev/null
"$@" >>"$log" 2>&1 </dev/null & echo $!"""


@dataclass(frozen=True)
class Finished:
    """A command that ended. `exit_code` 124 stands for a timeout, 127 for a program that is not there."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    @property
    def is_ok(self) -> bool:
        return self.exit_code == 0

    @property
    def reason(self) -> str:
        """The last words of the command, for a message."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1] if lines else f"exit code {self.exit_code}"


class Runner(Protocol):
    """How the rest of the activation reaches processes; tests bring their own."""

    def run(
        self, argv: Sequence[str], *, stdin: str = "", timeout_seconds: float = 60, env: Mapping[str, str] | None = None
    ) -> Finished: ...

    def spawn(self, argv: Sequence[str], *, folder: Path, log: Path) -> int: ...


class Attached:
    """A program that runs beside us and writes where we write."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def exit_code(self) -> int | None:
        """Return its exit code, or None while it runs."""
        return self._process.poll()

    def wait(self, timeout_seconds: float) -> None:
        """Wait for its end, at most so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=timeout_seconds)


class Commands:
    """Runs real processes, without a shell, in English, and never as part of the job that asked for it."""

    def run(
        self, argv: Sequence[str], *, stdin: str = "", timeout_seconds: float = 60, env: Mapping[str, str] | None = None
    ) -> Finished:
        """Given an argv, wait for its end and return what it said; `env` adds to the environment."""
        try:
            done = subprocess.run(
                list(argv),
                input=stdin,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_seconds,
                env={**_environment(), **(env or {})},
                check=False,
            )
        except FileNotFoundError:
            return Finished(tuple(argv), 127, "", f"{argv[0]} is not installed")
        except subprocess.TimeoutExpired:
            return Finished(tuple(argv), 124, "", f"{argv[0]} did not end within {timeout_seconds:g} s")
        return Finished(tuple(argv), done.returncode, done.stdout, done.stderr)

    def attach(self, argv: Sequence[str]) -> Attached:
        """Start a program whose output is ours and whose end the caller awaits."""
        return Attached(subprocess.Popen(list(argv), stdin=subprocess.DEVNULL, env=_environment()))

    def spawn(self, argv: Sequence[str], *, folder: Path, log: Path) -> int:
        """Start a program that outlives us in a session of its own, output to `log` (0600); return its pid."""
        done = subprocess.run(
            ["/bin/sh", "-c", SPAWN, "d8-spawn", str(log), *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=_environment(),
            start_new_session=True,
            check=True,
        )
        return int(done.stdout)


def _environment() -> dict[str, str]:
    """Our environment without the job's tag (whoever sweeps the job must not sweep what it started) and in English."""
    environment = {name: value for name, value in os.environ.items() if name != JOB_TAG}
    environment["LC_ALL"] = "C.UTF-8"
    environment["PATH"] = environment.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
    return environment
