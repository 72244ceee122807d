"""One process a job, in a session of its own: runs the command, spools its output, keeps the deadline, sweeps, writes
the result.

It outlives the server that started it; the folder of the job is all they share.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from slave_agent.bootstrap.containment import control_group, keep_command, members, run_silently
from slave_agent.bootstrap.files import read_document, write_document
from slave_agent.bootstrap.host_system import HAS_POSIX, OPEN_FLAGS, lock_now
from slave_agent.bootstrap.process_table import read_environment, read_table
from slave_agent.bootstrap.spool import SpoolWriter, shorten
from slave_agent.bootstrap.states import JobState, state_of_exit
from slave_agent.bootstrap.sweep import SETTLE_SECONDS, TAG_NAME, Leftovers, end_processes, find_leftovers

REQUEST_FILE = "request.json"
STATE_FILE = "state.json"
RESULT_FILE = "result.json"
CANCEL_FILE = "cancel"
LOCK_FILE = "lock"
STDOUT_FILE = "stdout"
STDERR_FILE = "stderr"
CLAIM_SECONDS = 5.0
TICK_SECONDS = 0.1
READ_BYTES = 65536
LAST_READS = 32
RESULT_ATTEMPTS = 60
RESULT_PAUSE_SECONDS = 1.0
GIVEN_UP_BYTES = 65536
COMMAND_UMASK = 0o022
OOM_SCORE = Path("/proc/self/oom_score_adj")
COMMAND_OOM_SCORE = "800"
PR_SET_CHILD_SUBREAPER = 36


def utc_now() -> str:
    """Return the time as ISO-8601 in UTC, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def try_lock(folder: Path) -> int | None:
    """Take the lock of a job and return its descriptor, or None while somebody holds it. The kernel frees it with its
    holder.
    """
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | OPEN_FLAGS, 0o600)
    if lock_now(descriptor):
        return descriptor
    os.close(descriptor)
    return None


def claim(folder: Path) -> int | None:
    """Take the lock of a job that nobody has begun; None where it is taken for good, begun, ended or withdrawn."""
    deadline = time.monotonic() + CLAIM_SECONDS
    while (descriptor := try_lock(folder)) is None:
        if time.monotonic() > deadline:
            return None
        time.sleep(0.02)
    if (folder / STATE_FILE).exists() or (folder / RESULT_FILE).exists() or not (folder / REQUEST_FILE).exists():
        os.close(descriptor)
        return None
    return descriptor


def adopt_orphans() -> None:
    """Make this process the parent of everything below it that loses its own (prctl(2)), double forks included."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stdin_of(text: str | None) -> IO[bytes]:
    """Return a stream for a command to read `text` from; it has no name that anyone else could open."""
    if text is None:
        return open(os.devnull, "rb")  # noqa: PTH123  the caller closes it
    stream: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
    if hasattr(os, "memfd_create"):
        stream.close()
        stream = os.fdopen(os.memfd_create("stdin"), "w+b")
    stream.write(text.encode("utf-8", "surrogateescape"))
    stream.seek(0)
    return stream


class Supervisor:
    """Runs one job from its folder."""

    def __init__(self, folder: Path, request: dict[str, Any]) -> None:
        self._folder = folder
        self._request = request
        self._job_id: str = request["id"]
        self._began = time.monotonic()
        self._started = utc_now()
        self._exit_code: int | None = None
        self._child = 0
        self._is_told_to_stop = False
        self._beyond_reach: set[int] = set()
        self._selector = selectors.DefaultSelector()
        quota_bytes = int(request["quota_bytes"])
        self._spools = [SpoolWriter(folder / name, quota_bytes) for name in (STDOUT_FILE, STDERR_FILE)]
        own_groups = Path("/proc/self/cgroup")
        memberships = own_groups.read_text(encoding="utf-8") if HAS_POSIX else ""
        self._group = control_group(self._job_id, memberships)

    def run(self) -> JobState:
        """Do the whole job and return how it ended."""
        self._listen_to_signals()
        self._write_state()
        self._forget_secrets()
        try:
            self._start()
        except OSError as problem:
            self._spools[1].write(f"d8: the command could not be started: {problem}\n".encode())
            return self._finish(JobState.FAILED)
        state = self._follow()
        self._sweep(patiently=state in (JobState.SUCCEEDED, JobState.FAILED))
        self._drain()
        return self._finish(state)

    def _listen_to_signals(self) -> None:
        """SIGTERM (a shutdown) stops the job; the end of a child wakes the loop."""
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "_is_told_to_stop", True))
        self._selector.register(reader, selectors.EVENT_READ, None)

    def _write_state(self) -> None:
        state = {"state": JobState.RUNNING.value, "started": self._started, "pid": os.getpid()}
        write_document(self._folder / STATE_FILE, state)

    def _forget_secrets(self) -> None:
        """Standard input and environment leave the disk before the command begins."""
        public = {name: value for name, value in self._request.items() if name not in ("stdin", "environment")}
        write_document(self._folder / REQUEST_FILE, public)

    def _start(self) -> None:
        with stdin_of(self._request["stdin"]) as stdin:
            process = subprocess.Popen(
                ["/bin/sh", "-c", self._request["command"]],
                cwd=self._request["working_dir"],
                env={**self._request["environment"], TAG_NAME: self._job_id},
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                restore_signals=True,
                preexec_fn=_become_the_command,
            )
        self._child = process.pid
        process.returncode = 0  # reaped below, with all the others
        for stream, spool in zip((process.stdout, process.stderr), self._spools):  # noqa: B905  Python 3.9
            assert stream is not None  # noqa: S101
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ, spool)

    def _follow(self) -> JobState:
        """Move output until the command ends, its time is up, or it is to be stopped."""
        deadline = self._began + float(self._request["timeout_seconds"])
        while True:
            self._pump(TICK_SECONDS)
            self._reap()
            if self._exit_code is not None:
                return state_of_exit(self._exit_code)
            if (self._folder / CANCEL_FILE).exists():
                return JobState.CANCELLED
            if self._is_told_to_stop:
                return JobState.LOST
            if time.monotonic() >= deadline:
                return JobState.TIMED_OUT

    def _pump(self, seconds: float) -> bool:
        """Wait up to `seconds` for output and store it. Return whether there was any."""
        had_output = False
        for key, _ in self._selector.select(seconds):
            try:
                data = os.read(key.fd, READ_BYTES)
            except BlockingIOError:
                continue
            if key.data is None:
                continue
            if data:
                key.data.write(data)
                had_output = True
            else:
                self._selector.unregister(key.fileobj)
        return had_output

    def _reap(self) -> None:
        """Collect every child that has ended, the orphans we adopted included."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._child:
                self._exit_code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)

    def _leftovers(self) -> Leftovers:
        found = find_leftovers(read_table(), os.getpid(), self._job_id, members(self._group), read_environment)
        return Leftovers(found.doomed - self._beyond_reach, found.kept)

    def _wait(self, seconds: float) -> None:
        """Let time pass while output keeps flowing and children are reaped."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._pump(left)
            self._reap()

    def _sweep(self, patiently: bool) -> None:
        """End what is left, first giving it a moment if the command ended by itself; move services out of our unit."""
        settled = time.monotonic() + (SETTLE_SECONDS if patiently else 0)
        while time.monotonic() < settled and self._leftovers().doomed:
            self._wait(0.02)
        stubborn = end_processes(lambda: self._leftovers().doomed, self._wait, self._send) | self._beyond_reach
        if stubborn:
            self._note(f"could not end the processes {sorted(stubborn)}, they belong to another user")
        kept = self._leftovers().kept
        prefix = self._request["root_prefix"]
        if kept and self._group is not None and run_silently([*prefix, *keep_command(self._job_id, sorted(kept))]) != 0:
            self._note(f"the services {sorted(kept)} could not be kept; start them with systemd-run instead")

    def _send(self, pid: int, number: int) -> None:
        """Signal one process of the job; root's, which only a job in a unit can have, by way of sudo."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
        except PermissionError:
            if self._group is None:
                self._beyond_reach.add(pid)
            elif number in (signal.SIGTERM, signal.SIGKILL):
                kill = ["sh", "-c", 'kill "-$1" "$2"', "sh", str(int(number)), str(pid)]
                run_silently([*self._request["root_prefix"], *kill])

    def _note(self, text: str) -> None:
        self._spools[1].write(f"d8: {text}\n".encode())

    def _drain(self) -> None:
        """Take what is still in the pipes. A service that kept one open can't hold the result back."""
        for _ in range(LAST_READS):
            if not self._pump(0):
                return

    def _finish(self, state: JobState) -> JobState:
        for spool in self._spools:
            spool.close()
        ended_by_itself = state in (JobState.SUCCEEDED, JobState.FAILED)
        result = {
            "state": state.value,
            "exit_code": self._exit_code if ended_by_itself else None,
            "started": self._started,
            "ended": utc_now(),
            "duration_seconds": round(time.monotonic() - self._began, 3),
            "truncated": any(spool.is_truncated for spool in self._spools),
        }
        self._write_result(result)
        return state

    def _write_result(self, result: dict[str, Any]) -> None:
        """Write the result. On a full disk the end of the output gives way to it: how a job ended matters more."""
        for _ in range(RESULT_ATTEMPTS):
            try:
                write_document(self._folder / RESULT_FILE, result)
                return
            except OSError:
                result["truncated"] = True
                for name in (STDOUT_FILE, STDERR_FILE):
                    shorten(self._folder / name, GIVEN_UP_BYTES)
                time.sleep(RESULT_PAUSE_SECONDS)


def _become_the_command() -> None:
    """Where memory runs out, the command is to die and not the server that lives beside it."""
    os.umask(COMMAND_UMASK)
    with suppress(OSError):
        OOM_SCORE.write_text(COMMAND_OOM_SCORE, encoding="ascii")


def run_job(folder: Path, kind: type[Supervisor] = Supervisor) -> int:
    """Supervise the job in `folder` to its end, with the kind that suits the system.

    Return 0 when there is a result, 1 when the job was not ours to run.
    """
    os.umask(0o077)
    descriptor = claim(folder) if folder.is_dir() else None
    if descriptor is None:
        return 1
    if HAS_POSIX:
        adopt_orphans()
    request = read_document(folder / REQUEST_FILE)
    if request is None:
        return 1
    kind(folder, request).run()
    return 0
