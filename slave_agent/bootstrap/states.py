"""The states of a job. Imports nothing of ours."""

from __future__ import annotations

from enum import Enum


class JobState(str, Enum):
    """Where a job stands; the values are part of the HTTP contract."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    LOST = "lost"
    """Its supervisor died, or the machine stopped it, before there was a result."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self is not JobState.RUNNING


def state_of_exit(exit_code: int) -> JobState:
    """Given the exit code of a command that ended by itself, return the state of its job."""
    return JobState.SUCCEEDED if exit_code == 0 else JobState.FAILED
