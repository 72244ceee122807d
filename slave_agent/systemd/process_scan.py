"""The Node.js and Python processes of a host, with what only root can read of other users': folder and program."""

from __future__ import annotations

import contextlib
import pwd
import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, Optional

PROC = Path("/proc")
PROGRAM = re.compile(r"(node|nodejs|npm|python[0-9.]*|uvicorn|gunicorn|hypercorn)\Z")
SERVICE = re.compile(r"/([A-Za-z0-9@_.\\:-]+\.service)(?:/|\Z)")
MOST_PROCESSES = 1000
LONGEST_COMMAND_BYTES = 2048


def scan(proc: Path = PROC) -> list[dict[str, Any]]:
    """Return {"pid", "user", "working_dir", "executable", "arguments", "unit"} of each, by process id; what can't be
    read is null. At most 1,000 of them, each with 2 KiB of its command line.
    """
    found: list[dict[str, Any]] = []
    for pid in sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()):
        with contextlib.suppress(OSError):
            found.extend(_process(proc / str(pid), pid))
        if len(found) >= MOST_PROCESSES:
            break
    return found


def _process(folder: Path, pid: int) -> Iterator[dict[str, Any]]:
    """Yield the process if it is one of those that are looked for. Raises OSError when it has ended."""
    arguments = _arguments(folder)
    executable = _link(folder / "exe")
    if not arguments or not any(PROGRAM.match(PurePath(one).name) for one in (executable or "", arguments[0])):
        return
    yield {
        "pid": pid,
        "user": _user(folder.stat().st_uid),
        "working_dir": _link(folder / "cwd"),
        "executable": executable,
        "arguments": arguments,
        "unit": unit_in((folder / "cgroup").read_text(encoding="utf-8", errors="replace")),
    }


def _arguments(folder: Path) -> list[str]:
    with (folder / "cmdline").open("rb") as stream:
        text = stream.read(LONGEST_COMMAND_BYTES)
    return [part.decode("utf-8", "replace") for part in text.rstrip(b"\0").split(b"\0")] if text else []


def _link(path: Path) -> Optional[str]:
    try:
        return str(path.readlink()).removesuffix(" (deleted)")
    except OSError:
        return None


def _user(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


def unit_in(cgroup: str) -> Optional[str]:
    """Given the text of /proc/PID/cgroup, return the innermost service that the process belongs to."""
    for line in cgroup.splitlines():
        if line.startswith("0::") or ":name=systemd:" in line:
            services = SERVICE.findall(line)
            return services[-1] if services else None
    return None
