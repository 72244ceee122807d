"""The only module of the master that runs processes on this machine."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SECRETS = ("GIT_TOKEN", "TELEGRAM_BOT_TOKEN", "SLAVE_AUTH_TOKEN", "WEBHOOK_SECRET")


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Given an environment, return what processes of ours get of it: no secret of D8's, which none of them needs."""
    return {name: value for name, value in environ.items() if name not in SECRETS}


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
            env=inherited(os.environ if environment is None else environment),
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
    stdin: bytes = b"",
    timeout_seconds: float | None = None,
) -> int:
    """Given a command's words and who reads its output line by line (both streams), return its exit code.

    The process ends with us: when reading is interrupted it is terminated. 127 when the program is missing, 124 past
    the limit.
    """
    try:
        process = subprocess.Popen(
            [str(word) for word in words],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=cwd,
            env=inherited(os.environ if environment is None else environment),
        )
    except FileNotFoundError as error:
        observe(str(error))
        return 127
    limit = threading.Timer(timeout_seconds or 0, process.kill)
    if timeout_seconds is not None:
        limit.start()
    with process:
        try:
            _feed(process, stdin)
            for line in process.stdout or ():
                observe(line.rstrip("\n"))
        except BaseException:
            process.terminate()
            raise
        finally:
            is_late = timeout_seconds is not None and not limit.is_alive()
            limit.cancel()
    return 124 if is_late and process.returncode else process.returncode


def _feed(process: subprocess.Popen[str], stdin: bytes) -> None:
    """Write the whole of standard input while somebody else reads the output: neither may wait for the other."""
    pipe, process.stdin = process.stdin, None
    if pipe is None:
        return

    def write() -> None:
        with suppress(OSError), os.fdopen(os.dup(pipe.fileno()), "wb") as raw:  # it may have ended, or want no more
            pipe.close()
            raw.write(stdin)

    threading.Thread(target=write, name="standard input", daemon=True).start()
