"""Reads a job of a slave to its end: one loop for builds and for commands. However a slave answers, it costs neither
more time than its command may take nor more memory than the end of an output.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from d8.errors import SlaveUnreachable
from d8.fleet.agent_client import Job

LONG_POLL_SECONDS = 2.0  # also the longest that an order to stop waits
MARGIN_SECONDS = 120.0  # for a slow link, and for a slave that ends what the command has started
REST_SECONDS = 600.0  # for the output that is still to be read when the command has ended
KEPT_CHARACTERS = 8 * 2**20  # of each stream, from the end


@dataclass(frozen=True)
class JobOutput:
    """What a job wrote, from the end, and its last answer. `is_cut`: it wrote more than this."""

    stdout: str
    stderr: str
    job: Job
    is_cut: bool


def read_to_end(
    ask: Callable[[int, int, float], Job],
    heard: Callable[[str, str], None],
    check: Callable[[], None],
    timeout_seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> JobOutput:
    """Given how the job is asked (from which byte of each stream, seconds to wait for news), who hears what it prints
    as it comes, what raises when the work is to be stopped, and how long the slave may let it run, return its output.

    Raises SlaveUnreachable where the slave goes on without end.
    """
    tails = (_Tail(), _Tail())
    offset = stderr_offset = 0
    deadline = clock() + timeout_seconds + MARGIN_SECONDS
    has_ended = False
    while True:
        check()
        job = ask(offset, stderr_offset, LONG_POLL_SECONDS)
        for tail, text in zip(tails, (job.stdout, job.stderr), strict=True):
            tail.add(text)
        heard(job.stdout, job.stderr)
        is_read = (job.next_offset, job.next_stderr_offset) == (offset, stderr_offset)
        offset, stderr_offset = job.next_offset, job.next_stderr_offset
        if not job.is_running and is_read:
            is_cut = job.truncated or any(tail.is_cut for tail in tails)
            return JobOutput(tails[0].text(), tails[1].text(), job, is_cut)
        if not job.is_running and not has_ended:
            has_ended, deadline = True, clock() + REST_SECONDS
        if clock() > deadline:
            raise SlaveUnreachable(
                "the slave does not end a command that may take {seconds} s",
                "Look at the slave: it answers, but its jobs do not end.",
                seconds=f"{timeout_seconds:g}",
            )


class _Tail:
    """The last characters of a text that comes in pieces."""

    def __init__(self) -> None:
        self._pieces: deque[str] = deque()
        self._length = 0
        self.is_cut = False

    def add(self, piece: str) -> None:
        if not piece:
            return
        self._pieces.append(piece)
        self._length += len(piece)
        self.is_cut = self.is_cut or self._length > KEPT_CHARACTERS
        while self._length - len(self._pieces[0]) >= KEPT_CHARACTERS:
            self._length -= len(self._pieces.popleft())

    def text(self) -> str:
        return "".join(self._pieces)[-KEPT_CHARACTERS:]
