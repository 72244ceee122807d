"""One job on disk: what its files say, and the few marks a server may leave there. Starting and waiting is the
store's.
"""

from __future__ import annotations

import os
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from slave_agent.bootstrap.errors import JobNotFound
from slave_agent.bootstrap.files import read_document, write_document
from slave_agent.bootstrap.host_system import HAS_POSIX
from slave_agent.bootstrap.job_models import JobOutput, JobSnapshot
from slave_agent.bootstrap.spool import read_tail, read_window, spool_size
from slave_agent.bootstrap.states import JobState
from slave_agent.bootstrap.supervisor import (
    CANCEL_FILE,
    REQUEST_FILE,
    RESULT_FILE,
    STATE_FILE,
    STDERR_FILE,
    STDOUT_FILE,
    try_lock,
    utc_now,
)
from slave_agent.bootstrap.sweep import sweep_tagged

REPLY_OUTPUT_BYTES = 1024 * 1024


class JobFolder:
    """The files of one job."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stdout = path / STDOUT_FILE
        self.stderr = path / STDERR_FILE

    def exists(self) -> bool:
        """Whether there is such a job."""
        return self.path.is_dir()

    def has_begun(self) -> bool:
        """Whether a supervisor has taken the job: from then on it can't be forgotten."""
        return (self.path / STATE_FILE).exists()

    def ended_at(self) -> float | None:
        """Return when the result was written (seconds since 1970), or None while there is none."""
        try:
            return (self.path / RESULT_FILE).stat().st_mtime
        except FileNotFoundError:
            return None

    def ask_to_cancel(self) -> None:
        """Leave the mark that makes the supervisor stop the job."""
        (self.path / CANCEL_FILE).touch(mode=0o600)

    def withdraw(self) -> bool:
        """Remove a job that has not begun. Return False when it has begun meanwhile."""
        if not self.exists():
            return True
        descriptor = try_lock(self.path)
        if descriptor is None:
            return False
        try:
            if self.has_begun():
                return False
            withdrawn = self.path.with_name(f".{self.path.name}.withdrawn")
            if not HAS_POSIX:  # Windows renames no folder with an open file in it
                (self.path / REQUEST_FILE).unlink()
                return True
            self.path.rename(withdrawn)
            shutil.rmtree(withdrawn, ignore_errors=True)
            return True
        finally:
            os.close(descriptor)

    def snapshot(self) -> JobSnapshot:
        """Return where the job stands. Raises JobNotFound."""
        request = read_document(self.path / REQUEST_FILE)
        if request is None:
            raise JobNotFound(
                f"There is no job {self.path.name}.", "It never started here, or ended so long ago that it was removed."
            )
        state = read_document(self.path / STATE_FILE)
        result = read_document(self.path / RESULT_FILE) or self._result_of_dead(state)
        return _snapshot(request, state, result, self._is_full(request["quota_bytes"]))

    def _is_full(self, quota_bytes: int) -> bool:
        return max(spool_size(self.stdout), spool_size(self.stderr)) >= quota_bytes

    def _result_of_dead(self, state: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return None while a supervisor is at work or about to begin; write and return `lost` where it died."""
        if state is None or (descriptor := try_lock(self.path)) is None:
            return None
        try:
            result = read_document(self.path / RESULT_FILE)
            if result is None:
                sweep_tagged(self.path.name)
                result = _lost(state["started"])
                write_document(self.path / RESULT_FILE, result)
            return result
        finally:
            os.close(descriptor)

    def read(self, offset: int, stderr_offset: int, limit: int) -> JobOutput:
        """Return a snapshot and up to `limit` bytes of each output from the given byte offsets."""
        snapshot = self.snapshot()
        stdout = read_window(self.stdout, offset, limit, snapshot.state.has_ended)
        stderr = read_window(self.stderr, stderr_offset, limit, snapshot.state.has_ended)
        return JobOutput(snapshot, stdout.text, stdout.next_offset, stderr.text, stderr.next_offset)

    def reply(self, snapshot: JobSnapshot) -> dict[str, Any]:
        """Return the answer of POST /api/execute: the snapshot with the tails of its output, at most 1 MiB each."""
        longest = max(spool_size(self.stdout), spool_size(self.stderr))
        return {
            **snapshot.document(),
            "stdout": read_tail(self.stdout, REPLY_OUTPUT_BYTES),
            "stderr": read_tail(self.stderr, REPLY_OUTPUT_BYTES),
            "truncated": snapshot.truncated or longest > REPLY_OUTPUT_BYTES,
        }


def _lost(started: str) -> dict[str, Any]:
    return {
        "state": JobState.LOST.value,
        "exit_code": None,
        "started": started,
        "ended": utc_now(),
        "duration_seconds": _seconds_since(started),
        "truncated": False,
    }


def _seconds_since(started: str) -> float:
    began = datetime.fromisoformat(started.replace("Z", "+00:00"))
    return round(max(0.0, time.time() - began.timestamp()), 3)


def _snapshot(
    request: dict[str, Any], state: dict[str, Any] | None, result: dict[str, Any] | None, is_full: bool
) -> JobSnapshot:
    """Put together what the files of a job say."""
    started = (result or state or {}).get("started") or request["created"]
    return JobSnapshot(
        id=request["id"],
        command=request["command"],
        state=JobState(result["state"]) if result else JobState.RUNNING,
        started=started,
        ended=result["ended"] if result else None,
        exit_code=result["exit_code"] if result else None,
        duration_seconds=result["duration_seconds"] if result else _seconds_since(started),
        timeout_seconds=request["timeout_seconds"],
        truncated=is_full or bool(result and result["truncated"]),
    )
