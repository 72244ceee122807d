"""What the job engine speaks of: a request, where a job stands, a piece of its output. Frozen data, no doing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping

from slave_agent.bootstrap.states import JobState

DEFAULT_TIMEOUT_SECONDS = 300.0
LONGEST_TIMEOUT_SECONDS = 86400.0


@dataclass(frozen=True)
class JobRequest:
    """A command to run. `stdin` and `env` may hold secrets: they are never printed, logged or kept."""

    command: str
    working_dir: str | None = None
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    stdin: str | None = field(default=None, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    id: str | None = None


@dataclass(frozen=True)
class JobSnapshot:
    """Where a job stands. Times are ISO-8601 UTC; `exit_code` is None unless the command ended by itself."""

    id: str
    command: str
    state: JobState
    started: str
    ended: str | None
    exit_code: int | None
    duration_seconds: float
    timeout_seconds: float
    truncated: bool

    @property
    def success(self) -> bool | None:
        """None while the job runs."""
        return self.state is JobState.SUCCEEDED if self.state.has_ended else None

    def document(self) -> dict[str, Any]:
        """Return the snapshot as the HTTP contract has it."""
        return {
            "id": self.id,
            "state": self.state.value,
            "success": self.success,
            "exit_code": self.exit_code,
            "started": self.started,
            "ended": self.ended,
            "duration_seconds": self.duration_seconds,
            "timeout_seconds": self.timeout_seconds,
            "timed_out": self.state is JobState.TIMED_OUT,
            "truncated": self.truncated,
        }


@dataclass(frozen=True)
class JobOutput:
    """A snapshot with the output from two byte offsets on, and the offsets to go on from."""

    snapshot: JobSnapshot
    stdout: str
    next_offset: int
    stderr: str
    next_stderr_offset: int

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing to read."""
        return not (self.stdout or self.stderr)

    def document(self) -> dict[str, Any]:
        """Return the answer of GET /api/jobs/ID."""
        return {
            **self.snapshot.document(),
            "stdout": self.stdout,
            "next_offset": self.next_offset,
            "stderr": self.stderr,
            "next_stderr_offset": self.next_stderr_offset,
        }
