"""The job engine: starts commands, finds them again by id, waits for them. Shared by the bootstrap and the agent.

All it knows is in one folder a job, so a server that was killed finds its jobs, running ones too, when it comes back.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import threading
import time
from pathlib import Path
from typing import Any, Callable, Sequence

from slave_agent.bootstrap.errors import InvalidRequest, JobConflict, JobNotFound, JobNotStarted, NoRoom
from slave_agent.bootstrap.files import make_private_folder, sync_folder, write_document
from slave_agent.bootstrap.job_folder import JobFolder
from slave_agent.bootstrap.job_models import JobOutput, JobRequest, JobSnapshot
from slave_agent.bootstrap.launcher import Launcher, SupervisorLauncher, package_supervisor
from slave_agent.bootstrap.spool import DEFAULT_QUOTA_BYTES
from slave_agent.bootstrap.supervisor import REQUEST_FILE, utc_now

__all__ = [
    "JobOutput",
    "JobRequest",
    "JobSnapshot",
    "JobStore",
    "Launcher",
    "SupervisorLauncher",
    "package_supervisor",
]

JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
START_SECONDS = 30.0
KEEP_SECONDS = 7 * 86400.0
KEEP_JOBS = 500
PRUNE_EVERY_SECONDS = 600.0
FOLLOW_SECONDS = 3600.0

SERVER_VARIABLES = (
    "D8_JOB_TAG",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
)
"""What systemd tells the server alone: a command must not inherit it."""


class JobStore:
    """All jobs of one server, in the folder `root`."""

    def __init__(
        self,
        root: Path,
        launcher: Launcher,
        default_working_dir: Path,
        quota_bytes: int = DEFAULT_QUOTA_BYTES,
        on_start: Callable[[JobSnapshot], None] | None = None,
        on_end: Callable[[JobSnapshot], None] | None = None,
    ) -> None:
        """Create `root` if needed. `on_start` hears of each new job, `on_end` of its end (from a thread of the
        store).
        """
        make_private_folder(root)
        self._root = root
        self._launcher = launcher
        self._default_working_dir = default_working_dir
        self._quota_bytes = quota_bytes
        self._on_start = on_start
        self._on_end = on_end
        self._starting = threading.Lock()
        self._next_prune = 0.0

    def start(self, request: JobRequest) -> JobSnapshot:
        """Run a command, once: a job with the same id and command is returned as it stands.

        Raises InvalidRequest for a bad id, JobConflict for an id that belongs to another command, NoRoom when the disk
        is full and JobNotStarted when no supervisor came up; after these nothing has run.
        """
        job_id = request.id or secrets.token_hex(8)
        if not JOB_ID.match(job_id):
            raise InvalidRequest("The field id must be 1 to 64 letters, digits, hyphens or underscores.")
        folder = self._folder(job_id)
        with self._starting:
            if not folder.exists():
                self._prune_sometimes()
                self._create(folder, request)
        snapshot = folder.snapshot()
        if snapshot.command != request.command:
            raise JobConflict(f"The job {job_id} runs another command.", "Use a new id for a new command.")
        return snapshot

    def _folder(self, job_id: str) -> JobFolder:
        if not JOB_ID.match(job_id):
            raise JobNotFound("There is no job with such an id.", "Ids are letters, digits, hyphens and underscores.")
        return JobFolder(self._root / job_id)

    def _create(self, folder: JobFolder, request: JobRequest) -> None:
        """Store the request whole, have a supervisor take it, and return once it has."""
        prefix = self._launcher.root_prefix()
        preparing = self._root / f".{folder.path.name}.new"
        shutil.rmtree(preparing, ignore_errors=True)
        try:
            preparing.mkdir(mode=0o700)
            write_document(preparing / REQUEST_FILE, self._request_document(folder.path.name, request, prefix))
            preparing.rename(folder.path)
            sync_folder(self._root)
            self._launcher.launch(folder.path, prefix)
        except OSError as problem:
            shutil.rmtree(preparing, ignore_errors=True)
            folder.withdraw()
            raise NoRoom(f"The job could not be stored: {problem}.", "Free some disk space on the slave.") from problem
        self._await_start(folder)
        if self._on_start is not None:
            self._on_start(folder.snapshot())
        self._follow(folder.path.name)

    def _request_document(self, job_id: str, request: JobRequest, prefix: Sequence[str] | None) -> dict[str, Any]:
        inherited = {name: value for name, value in os.environ.items() if name not in SERVER_VARIABLES}
        return {
            "id": job_id,
            "command": request.command,
            "working_dir": request.working_dir or str(self._default_working_dir),
            "timeout_seconds": request.timeout_seconds,
            "stdin": request.stdin,
            "environment": {**inherited, **request.env},
            "created": utc_now(),
            "quota_bytes": self._quota_bytes,
            "root_prefix": prefix,
        }

    def _await_start(self, folder: JobFolder) -> None:
        deadline = time.monotonic() + START_SECONDS
        pause = 0.005
        while not folder.has_begun():
            if time.monotonic() > deadline and folder.withdraw():
                raise JobNotStarted("The job's supervisor did not start; the command did not run.", "Try again.")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.1)

    def _follow(self, job_id: str) -> None:
        if self._on_end is not None:
            threading.Thread(target=self._tell_end, args=(job_id,), name=f"follow {job_id}", daemon=True).start()

    def _tell_end(self, job_id: str) -> None:
        try:
            while not (snapshot := self.wait(job_id, FOLLOW_SECONDS)).state.has_ended:
                pass
        except JobNotFound:
            return
        if self._on_end is not None:
            self._on_end(snapshot)

    def ids(self) -> list[str]:
        """Return the ids of all jobs in the store."""
        return sorted(entry.name for entry in self._root.iterdir() if JOB_ID.match(entry.name))

    def snapshot(self, job_id: str) -> JobSnapshot:
        """Return where a job stands. Raises JobNotFound."""
        return self._folder(job_id).snapshot()

    def reply(self, snapshot: JobSnapshot) -> dict[str, Any]:
        """Return the answer of POST /api/execute for a job."""
        return self._folder(snapshot.id).reply(snapshot)

    def read(
        self, job_id: str, offset: int = 0, stderr_offset: int = 0, limit: int = 65536, wait_seconds: float = 0.0
    ) -> JobOutput:
        """Return a snapshot and up to `limit` bytes of each output from the given byte offsets.

        Waits up to `wait_seconds` for new output or the end of the job. Raises JobNotFound.
        """
        folder = self._folder(job_id)
        deadline = time.monotonic() + wait_seconds
        pause = 0.01
        output = folder.read(offset, stderr_offset, limit)
        while output.is_empty and not output.snapshot.state.has_ended and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)
            output = folder.read(offset, stderr_offset, limit)
        return output

    def wait(self, job_id: str, seconds: float) -> JobSnapshot:
        """Wait up to `seconds` for the end of a job; return where it stands then. Raises JobNotFound."""
        folder = self._folder(job_id)
        deadline = time.monotonic() + seconds
        pause = 0.005
        while True:
            snapshot = folder.snapshot()
            left = deadline - time.monotonic()
            if snapshot.state.has_ended or left <= 0:
                return snapshot
            time.sleep(min(pause, left))
            pause = min(pause * 1.3, 0.25)

    def cancel(self, job_id: str, seconds: float = 20.0) -> JobSnapshot:
        """Ask a job to stop and wait up to `seconds` until it has. Cancelling again, or too late, changes nothing."""
        folder = self._folder(job_id)
        if not folder.snapshot().state.has_ended:
            folder.ask_to_cancel()
        return self.wait(job_id, seconds)

    def recover(self) -> list[str]:
        """After a start: withdraw jobs that never began (nobody was told that they had), follow the unfinished again.

        Returns the ids of these.
        """
        for entry in self._root.iterdir():
            if not JOB_ID.match(entry.name):
                shutil.rmtree(entry, ignore_errors=True)
            elif not JobFolder(entry).has_begun():
                JobFolder(entry).withdraw()
        unfinished = [job_id for job_id in self.ids() if self._folder(job_id).ended_at() is None]
        for job_id in unfinished:
            self._follow(job_id)
        return unfinished

    def _prune_sometimes(self) -> None:
        if time.monotonic() < self._next_prune and len(list(self._root.iterdir())) <= KEEP_JOBS:
            return
        self._next_prune = time.monotonic() + PRUNE_EVERY_SECONDS
        self.prune(time.time())

    def prune(self, now: float) -> None:
        """Remove jobs that ended more than 7 days before `now` (seconds since 1970), and the oldest beyond 500 jobs."""
        folders = [self._folder(job_id) for job_id in self.ids()]
        ended = [(when, folder.path) for folder in folders if (when := folder.ended_at()) is not None]
        for position, (when, path) in enumerate(sorted(ended, reverse=True)):
            if position >= KEEP_JOBS or when < now - KEEP_SECONDS:
                shutil.rmtree(path, ignore_errors=True)
