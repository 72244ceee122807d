"""PURE: the processes of a host, as its own `ps` lists them."""

from __future__ import annotations

from dataclasses import dataclass

PS_COMMAND = ("ps", "-e", "-o", "pid=,ppid=,user:32=,args=", "-ww")


@dataclass(frozen=True)
class HostProcess:
    """One process, with pids as the host numbers them."""

    pid: int
    parent: int
    user: str
    command: str


def parse_ps(text: str) -> list[HostProcess]:
    """Given the output of PS_COMMAND, return its processes, without that `ps` itself."""
    processes = []
    for line in text.splitlines():
        pid, parent, user, command = [*line.split(None, 3), ""][:4]
        if command != " ".join(PS_COMMAND):
            processes.append(HostProcess(int(pid), int(parent), user, command))
    return processes
