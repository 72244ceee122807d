"""The machine's Node.js and Python processes, through psutil (its 5.9 interface). What they are is decided in
detection.py.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from slave_agent.monitor.detection import DetectedProcess, ProcessKind, kind_of, unit_in
from slave_agent.monitor.host_facts import timestamp

if TYPE_CHECKING:
    from slave_agent.privilege import ProcessSeen

_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, OSError)


@dataclass(frozen=True)
class Usage:
    """What a process uses now: percent of one processor since it was last asked (None the first time), and bytes."""

    pid: int
    cpu_percent: float | None
    memory_bytes: int


def is_alive(pid: int | None) -> bool:
    """Given a pid or None, tell whether it is a process that runs (one that only waits for its parent does not)."""
    if not pid:
        return False
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except (psutil.AccessDenied, OSError):
        return True


class UsageMeter:
    """What processes use. It remembers those that were asked for last, since a percentage needs two moments."""

    def __init__(self) -> None:
        self._known: dict[int, psutil.Process] = {}
        self._lock = threading.Lock()

    def measure(self, pids: Iterable[int]) -> dict[int, Usage]:
        """Given pids, return what each that runs uses. Those not asked for any more are forgotten."""
        with self._lock:
            before, self._known = self._known, {}
            found = {}
            for pid in set(pids):
                process = before.get(pid)
                is_new = process is None or not process.is_running()
                try:
                    process = psutil.Process(pid) if process is None or is_new else process
                    percent = process.cpu_percent(interval=None)
                    found[pid] = Usage(pid, None if is_new else percent, process.memory_info().rss)
                except _GONE:
                    continue
                self._known[pid] = process
            return found


def look() -> tuple[DetectedProcess, ...]:
    """Return every Node.js and Python process of every user, by pid; without what is closed to this user."""
    found = []
    for process in psutil.process_iter():
        try:
            name, command_line = process.name(), tuple(process.cmdline())
        except _GONE:
            continue
        if command_line and (kind := kind_of(name, command_line, None)) is not None:
            with_details = _details(process, name, command_line, kind)
            found += [] if with_details is None else [with_details]
    return tuple(sorted(found, key=lambda one: one.pid))


def completed(found: Iterable[DetectedProcess], seen: Iterable[ProcessSeen]) -> tuple[DetectedProcess, ...]:
    """Given what was found and what somebody with more rights saw, return the first with the gaps filled. Pure."""
    by_pid = {one.pid: one for one in seen}
    whole = []
    for process in found:
        other = by_pid.get(process.pid)
        if other is not None and other.user == process.user:
            process = replace(
                process,
                working_dir=process.working_dir or other.working_dir,
                executable=process.executable or other.executable,
                unit=process.unit or other.unit,
            )
        whole.append(process)
    return tuple(whole)


def _details(
    process: psutil.Process, name: str, command_line: tuple[str, ...], kind: ProcessKind
) -> DetectedProcess | None:
    try:
        return DetectedProcess(
            pid=process.pid,
            name=name,
            kind=kind,
            command_line=command_line,
            user=process.username(),
            unit=_unit_of(process.pid),
            working_dir=_or_none(process.cwd),
            executable=_or_none(process.exe),
            started=timestamp(process.create_time()),
            memory_bytes=process.memory_info().rss,
        )
    except _GONE:
        return None


def _unit_of(pid: int) -> str | None:
    try:
        return unit_in(Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None


def _or_none(ask: Callable[[], str]) -> str | None:
    try:
        return ask() or None
    except _GONE:
        return None
