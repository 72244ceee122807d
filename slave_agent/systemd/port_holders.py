"""Whether it is a unit's own processes that listen on a port: read from /proc, as far as we may look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from slave_agent.systemd.process_scan import PROC, unit_in

LISTENING = "0A"


def holds_port(unit: str, port: int, proc: Path = PROC) -> bool:
    """Given a unit and a port, return whether a process of the unit listens there. What can't be read counts as no."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port, proc)}
    return bool(sockets) and any(_has_open(folder, sockets) for folder in _processes(unit, proc))


def _listening(port: int, proc: Path) -> Iterator[str]:
    """Yield the inodes of the sockets that listen on the port."""
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue  # no IPv6
        for fields in map(str.split, lines):
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _processes(unit: str, proc: Path) -> Iterator[Path]:
    """Yield the folders of the unit's processes."""
    for folder in proc.glob("[0-9]*"):
        try:
            cgroup = (folder / "cgroup").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it has ended
        if unit_in(cgroup) == unit:
            yield folder


def _has_open(folder: Path, sockets: set[str]) -> bool:
    try:
        return any(_target(descriptor) in sockets for descriptor in (folder / "fd").iterdir())
    except OSError:
        return False


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:
        return ""
