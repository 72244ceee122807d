"""Reads a job of a slave to its end: one loop for builds and for commands."""

from __future__ import annotations

from collections.abc import Callable

from d8.fleet.agent_client import Job

LONG_POLL_SECONDS = 2.0  # also the longest that an order to stop waits


def read_to_end(
    ask: Callable[[int, int, float], Job], heard: Callable[[str, str], None], check: Callable[[], None]
) -> tuple[str, str, Job]:
    """Given how the job is asked (from which byte of each stream, seconds to wait for news), who hears what it prints
    as it comes, and what raises when the work is to be stopped, return its whole output and its last answer."""
    stdout: list[str] = []
    stderr: list[str] = []
    offset = stderr_offset = 0
    while True:
        check()
        job = ask(offset, stderr_offset, LONG_POLL_SECONDS)
        stdout.append(job.stdout)
        stderr.append(job.stderr)
        heard(job.stdout, job.stderr)
        is_read = (job.next_offset, job.next_stderr_offset) == (offset, stderr_offset)
        offset, stderr_offset = job.next_offset, job.next_stderr_offset
        if not job.is_running and is_read:
            return "".join(stdout), "".join(stderr), job
