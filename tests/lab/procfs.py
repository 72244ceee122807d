"""Reads /proc: who a process is, what is mounted. The parsers take text; nothing here changes anything."""

from __future__ import annotations

import re
from pathlib import Path

PROC = Path("/proc")


def parse_start_time(stat: str) -> int:
    """Given the text of /proc/PID/stat, return the start time in clock ticks since boot.

    The process name stands in brackets and may itself hold spaces and brackets, so the fields count from the last one.
    """
    return int(stat.rpartition(")")[2].split()[19])


def parse_parent(stat: str) -> int:
    """Given the text of /proc/PID/stat, return the parent's pid."""
    return int(stat.rpartition(")")[2].split()[1])


def parse_namespace_pids(status: str) -> list[int]:
    """Given the text of /proc/PID/status, return the pid in each nested pid namespace, the outermost first."""
    match = re.search(r"^NSpid:\s*(.*)$", status, re.MULTILINE)
    return [int(word) for word in match.group(1).split()] if match else []


def parse_mount_points(mountinfo: str) -> list[tuple[str, str]]:
    """Given the text of /proc/self/mountinfo, return (mount point, filesystem type) in the order of mounting."""
    mounts = []
    for line in mountinfo.splitlines():
        fields = line.split()
        mounts.append((_unescape(fields[4]), fields[fields.index("-") + 1]))
    return mounts


def _unescape(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), path)


def start_time(pid: int) -> int | None:
    """Return when the process started, in clock ticks since boot, or None when there is no such process."""
    try:
        return parse_start_time((PROC / str(pid) / "stat").read_text())
    except (OSError, IndexError):
        return None


def is_alive(pid: int, started: int) -> bool:
    """Whether that very process (the pid and its start time) still runs. A pid alone may be somebody else's by now."""
    return start_time(pid) == started


def boot_id() -> str:
    """Return the kernel's name for this boot. Records of an earlier one describe nothing that is left."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def mount_points() -> list[tuple[str, str]]:
    """Return what is mounted in this process's namespace, as (mount point, filesystem type)."""
    return parse_mount_points((PROC / "self/mountinfo").read_text())


def mounts_at_or_under(folder: Path) -> list[str]:
    """Return the mount points at the folder or below it, the deepest last."""
    inside = [point for point, _ in mount_points() if point == str(folder) or point.startswith(f"{folder}/")]
    return sorted(inside, key=len)


def namespace_pids(pid: int) -> list[int]:
    """Return the process's pid in each nested pid namespace, empty when it is gone."""
    try:
        return parse_namespace_pids((PROC / str(pid) / "status").read_text())
    except OSError:
        return []


def command_name(pid: int) -> str:
    """Return the name of the program the process runs now, empty when it is gone."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def descendants(root_pid: int) -> list[tuple[int, int]]:
    """Return (pid, start time) of every living descendant of the process, parents before children."""
    children: dict[int, list[tuple[int, int]]] = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        children.setdefault(parse_parent(stat), []).append((int(entry.name), parse_start_time(stat)))
    found: list[tuple[int, int]] = []
    queue = [root_pid]
    while queue:
        for pid, started in children.get(queue.pop(0), []):
            found.append((pid, started))
            queue.append(pid)
    return found
