"""The lab's one door to processes on this machine: run a command, give back how it ended, leave none of it running."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from tests.lab import procfs
from tests.lab.errors import CommandFailed, CommandTimedOut

Input = bytes | str | IO[bytes] | None


@dataclass(frozen=True)
class Outcome:
    """How a command ended. `stdout` and `stderr` are text, with bytes that are not UTF-8 replaced."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    raw_stdout: bytes
    seconds: float

    @property
    def is_success(self) -> bool:
        """Whether the exit code is 0."""
        return self.returncode == 0

    def check(self) -> Outcome:
        """Return the outcome itself, or raise CommandFailed with the command's last words."""
        if self.is_success:
            return self
        words = (self.stderr.strip() or self.stdout.strip() or "it said nothing")[-2000:]
        raise CommandFailed(f"exit code {self.returncode} from `{shlex.join(self.argv)}`: {words}")


def run(
    argv: Sequence[str],
    *,
    input: Input = None,
    env: Mapping[str, str] | None = None,
    timeout_seconds: float = 60,
    check: bool = True,
) -> Outcome:
    """Given a command, return its Outcome once it has ended, even if children of it still hold its output open.

    Output goes to files, not pipes: a process that the command left running on purpose (nohup) neither delays the
    return nor dies of a closed pipe later. The command has a session of its own, so that Ctrl+C in the terminal
    reaches only the lab, which then tidies up.
    Raises CommandFailed (with `check`) and CommandTimedOut; the latter kills the command and its descendants.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr, _as_file(input) as stdin:
        for stream in (stdout, stderr):
            os.fchmod(stream.fileno(), 0o666)  # another user inside a host may reopen /dev/stderr
        process = subprocess.Popen(
            list(argv), stdin=stdin, stdout=stdout, stderr=stderr, env=env, start_new_session=True
        )
        try:
            returncode = process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            kill_tree(process)
            last_words = _read(stderr).decode("utf-8", "replace")[-500:]
            raise CommandTimedOut(
                f"no end after {timeout_seconds} s: `{shlex.join(argv)}` {last_words}".rstrip()
            ) from None
        except BaseException:
            kill_tree(process)
            raise
        raw_stdout = _read(stdout)
        outcome = Outcome(
            argv=tuple(argv),
            returncode=returncode,
            stdout=raw_stdout.decode("utf-8", "replace"),
            stderr=_read(stderr).decode("utf-8", "replace"),
            raw_stdout=raw_stdout,
            seconds=time.monotonic() - started,
        )
    return outcome.check() if check else outcome


def load_kernel_module(name: str) -> None:
    """Load a module where the kernel has modules; where it has none, it is built in or it is missing."""
    if shutil.which("modprobe"):
        run(["modprobe", "--quiet", name], check=False)


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that the caller started, and all its descendants, and reap it.

    The youngest go first, so that each is reaped by its own parent: nsenter's child, if it outlived nsenter, would
    become a zombie of this machine's process 1, and the host could not end before that one cared to reap it.
    """
    for pid, started in reversed(procfs.descendants(process.pid)):
        kill_exactly(pid, started)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.5)
    process.kill()
    process.wait()


def kill_exactly(pid: int, started: int) -> None:
    """SIGKILL the process that has this pid and start time; whoever else may have the pid by now is left alone."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if procfs.is_alive(pid, started):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
    finally:
        os.close(handle)


def _as_file(input: Input) -> contextlib.AbstractContextManager[IO[bytes] | int]:
    if input is None:
        return contextlib.nullcontext(subprocess.DEVNULL)
    if not isinstance(input, bytes | str):
        return contextlib.nullcontext(input)
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(input.encode() if isinstance(input, str) else input)
    file.seek(0)
    os.fchmod(file.fileno(), 0o666)
    return file


def _read(file: IO[bytes]) -> bytes:
    """Read by position: moving the offset would move it for a child that still writes."""
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
