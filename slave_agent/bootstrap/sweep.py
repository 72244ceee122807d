"""Ending what a job leaves behind. The decision is pure; the doing signals, waits and looks again until nothing is
left.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Callable, Iterable, Mapping, NamedTuple

from slave_agent.bootstrap.process_table import Process, descendants, read_environment, read_table

TAG_NAME = "D8_JOB_TAG"
TERMINATE_SECONDS = 5.0
KILL_SECONDS = 10.0
SETTLE_SECONDS = 0.5
"""How long a command that has ended leaves its children to finish, or to drop the tag and so become services."""

Environment = Callable[[int], "Mapping[bytes, bytes] | None"]
Signaller = Callable[[int, int], None]


class Leftovers(NamedTuple):
    """What a job left: processes to end, and those that it was asked to leave running."""

    doomed: set[int]
    kept: set[int]


def has_dropped_tag(environment: Mapping[bytes, bytes] | None) -> bool:
    """Whether a process was started as a service: its environment can be read, and the tag was taken out of it on
    purpose.

    sudo takes every variable out of the environment, so what it started does not count as a service.
    """
    if not environment:
        return False  # not ours to read, or in the middle of its beginning or end
    return TAG_NAME.encode() not in environment and b"SUDO_COMMAND" not in environment


def find_leftovers(
    table: Mapping[int, Process], own_pid: int, job_id: str, members: Iterable[int], environment: Environment
) -> Leftovers:
    """Sort the processes that belong to a job: those below `own_pid`, in its control group, or with its tag.

    A process whose environment we may not read can't have become a service on purpose: it is doomed like the others.
    """
    family = (descendants(table, own_pid) | (set(members) & set(table))) - {own_pid}
    doomed: set[int] = set()
    kept: set[int] = set()
    for pid in family:
        (kept if has_dropped_tag(environment(pid)) else doomed).add(pid)
    return Leftovers(doomed | (tagged(table, job_id, environment) - {own_pid}), kept)


def tagged(table: Mapping[int, Process], job_id: str, environment: Environment) -> set[int]:
    """Return the processes that carry the tag of this job, wherever they are in the process tree."""
    wanted = job_id.encode()
    return {pid for pid in table if (environment(pid) or {}).get(TAG_NAME.encode()) == wanted}


def send_signal(pid: int, number: int) -> None:
    """Send a signal; a process that is gone, or is not ours to signal, is passed over."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def end_processes(
    find: Callable[[], set[int]],
    wait: Callable[[float], None],
    send: Signaller = send_signal,
    clock: Callable[[], float] = time.monotonic,
    terminate_seconds: float = TERMINATE_SECONDS,
) -> set[int]:
    """End all that `find` returns, again and again: TERM, up to `terminate_seconds`, then KILL. Return what could not
    be ended.
    """
    signalled: set[int] = set()
    deadline = clock() + terminate_seconds
    while (doomed := find()) and clock() < deadline:
        for pid in doomed - signalled:
            send(pid, signal.SIGTERM)
            send(pid, signal.SIGCONT)
        signalled |= doomed
        wait(0.02)
    deadline = clock() + KILL_SECONDS
    while (doomed := find()) and clock() < deadline:
        for pid in doomed:
            send(pid, signal.SIGSTOP)  # what is stopped can't fork while we look for the others
        for pid in find() | doomed:
            send(pid, signal.SIGKILL)
        wait(0.01)
    return doomed


def sweep_tagged(job_id: str, wait: Callable[[float], None] = time.sleep) -> set[int]:
    """End every process that carries the tag of a job whose supervisor is dead. Return what could not be ended."""
    return end_processes(lambda: tagged(read_table(), job_id, read_environment), wait)
