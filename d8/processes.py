"""The only module of the master that runs processes on this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProcessResult:
    """How a local process ended. A non-zero exit is data."""

    exit_code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Standard output as stripped text."""
        return self.stdout.decode(errors="replace").strip()


def run(
    words: Sequence[str | Path],
    *,
    timeout_seconds: float = 60,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> ProcessResult:
    """Given a command's words (no shell), return its result: 127 for a missing program, 124 past the limit."""
    try:
        done = subprocess.run(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_seconds,
            cwd=cwd,
            env=dict(environment) if environment is not None else None,
            check=False,
        )
    except FileNotFoundError as error:
        return ProcessResult(127, b"", str(error))
    except subprocess.TimeoutExpired:
        return ProcessResult(124, b"", f"no end after {timeout_seconds:g} s")
    return ProcessResult(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def stream(
    words: Sequence[str | Path],
    observe: Callable[[str], None],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Given a command's words and who reads its output line by line (both streams), return its exit code.

    The process ends with us: when reading is interrupted it is terminated. 127 when the program is missing.
    """
    try:
        process = subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=cwd,
            env=dict(environment) if environment is not None else None,
        )
    except FileNotFoundError as error:
        observe(str(error))
        return 127
    with process:
        try:
            for line in process.stdout or ():
                observe(line.rstrip("\n"))
        except BaseException:
            process.terminate()
            raise
    return process.returncode
