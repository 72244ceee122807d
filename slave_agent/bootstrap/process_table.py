"""What /proc says about processes. Reads only; whoever wants to end one decides elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, NamedTuple

PROC = Path("/proc")


class Process(NamedTuple):
    """One line of the process table. `start_ticks` tells a process from a later one with the same number."""

    pid: int
    parent: int
    state: str
    start_ticks: int


def parse_stat(text: str) -> Process:
    """Given the content of /proc/PID/stat, return the process. The name in it may hold spaces and brackets
    (proc(5)).
    """
    number, _, rest = text.partition(" (")
    fields = rest[rest.rindex(")") + 2 :].split()
    return Process(int(number), int(fields[1]), fields[0], int(fields[19]))


def read_process(pid: int, proc: Path = PROC) -> Process | None:
    """Return the process with this number, or None when there is none."""
    try:
        return parse_stat((proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace"))
    except (OSError, ValueError, IndexError):
        return None


def _numbers(proc: Path) -> list[int]:
    if not proc.is_dir():
        return []  # Windows
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]


def read_table(proc: Path = PROC) -> dict[int, Process]:
    """Return all living processes by number (zombies left out: they are dead already)."""
    found = (read_process(pid, proc) for pid in _numbers(proc))
    return {process.pid: process for process in found if process is not None and process.state not in "ZX"}


def read_environment(pid: int, proc: Path = PROC) -> Mapping[bytes, bytes] | None:
    """Return the environment a process was started with, or None where we may not read it or it is gone."""
    try:
        content = (proc / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    pairs = (entry.partition(b"=") for entry in content.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}


def descendants(table: Mapping[int, Process], ancestor: int) -> set[int]:
    """Return the numbers of all processes below `ancestor`, itself left out."""
    children: dict[int, set[int]] = {}
    for process in table.values():
        children.setdefault(process.parent, set()).add(process.pid)
    found: set[int] = set()
    waiting = [ancestor]
    while waiting:
        for child in children.get(waiting.pop(), set()) - found:
            found.add(child)
            waiting.append(child)
    return found - {ancestor}
