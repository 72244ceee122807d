"""Who listens on a port: read from /proc where we may, from ss by way of root where we may not."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path
from typing import NamedTuple, Sequence

from slave_agent.bootstrap.containment import root_prefix
from slave_agent.bootstrap.host_system import HAS_POSIX, user_name_of
from slave_agent.bootstrap.process_table import PROC
from slave_agent.bootstrap.texts import say

LISTENING = "0A"
SS_PROCESS = re.compile(r"pid=(\d+)")


class Listener(NamedTuple):
    """One listening socket, as /proc/net/tcp has it."""

    inode: str
    uid: int


class PortOwner(NamedTuple):
    """Who holds a port, as far as that can be found out."""

    pid: int | None
    command: str
    user: str | None


def listeners(table: str, port: int) -> list[Listener]:
    """Given the text of /proc/net/tcp or tcp6, return the sockets that listen on `port`."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
            found.append(Listener(fields[9], int(fields[7])))
    return found


def listeners_on(port: int, proc: Path = PROC) -> list[Listener]:
    """Return the sockets of this machine that listen on `port`."""
    found = []
    for name in ("tcp", "tcp6"):
        try:
            found += listeners((proc / "net" / name).read_text(encoding="ascii"), port)
        except OSError:
            continue  # no IPv6
    return found


def holder(inodes: Sequence[str], proc: Path = PROC) -> int | None:
    """Return the process that has one of these sockets open, as far as we may look."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for folder in proc.glob("[0-9]*"):
        try:
            if any(str(descriptor.readlink()) in wanted for descriptor in (folder / "fd").iterdir()):
                return int(folder.name)
        except OSError:
            continue
    return None


def command_of(pid: int, proc: Path = PROC) -> str:
    """Return the command line of a process with control characters made visible, at most 120 characters."""
    try:
        words = (proc / str(pid) / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return "?"
    text = b" ".join(words).decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "?" for character in text)[:120]


def holder_by_ss(port: int) -> int | None:
    """Ask ss, as root where sudo allows it without a password."""
    prefix = root_prefix()
    if prefix is None or not shutil.which("ss"):
        return None
    command = [*prefix, "ss", "-Hltnp", f"sport = :{port}"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    match = SS_PROCESS.search(answer.stdout)
    return int(match.group(1)) if match else None


def find_port_owner(port: int) -> PortOwner | None:
    """Return who listens on `port`, or None when nobody does."""
    sockets = listeners_on(port)
    if not sockets:
        return None if HAS_POSIX or is_free(port) else PortOwner(None, "?", None)
    pid = holder([listener.inode for listener in sockets]) or holder_by_ss(port)
    return PortOwner(pid, command_of(pid) if pid else "?", user_name_of(sockets[0].uid))


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of loopback: all that can be found out without /proc."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def describe_owner(owner: PortOwner | None, port: int, language: str) -> str:
    """Say who it is, in the operator's language."""
    if not HAS_POSIX:
        return say(language, "windows_process", port=port)
    if owner is None:
        return say(language, "nobody", port=port)
    if owner.pid is None:
        return say(language, "someone", user=owner.user, port=port)
    return say(language, "process", pid=owner.pid, command=owner.command, user=owner.user)


def stop_command(owner: PortOwner | None, port: int) -> str:
    """Return a command that ends whoever holds the port."""
    if not HAS_POSIX:
        return "taskkill /PID ..."
    if owner is None or owner.pid is None:
        return f"sudo fuser -k {port}/tcp"
    is_ours = owner.user is not None and Path(f"/proc/{owner.pid}").exists() and _uid_of(owner.pid) == os.geteuid()
    return f"kill {owner.pid}" if is_ours else f"sudo kill {owner.pid}"


def _uid_of(pid: int) -> int | None:
    try:
        return (PROC / str(pid)).stat().st_uid
    except OSError:
        return None
