"""A control group of its own for each host: its processes are found, and killed, by where they are, never by name.

Without it all hosts would share nspawn's `payload` group, and systemd in one would see the services of another.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from tests.lab import procfs
from tests.lab.errors import LabError

PARENT = "d8-lab"
PAYLOAD = "payload"  # nspawn's name for the group that becomes the host's root
SHELL_GROUP = "system.slice/lab-shell.service"  # like ssh.service: a place among the host's own where shells live


def hierarchies() -> list[Path]:
    """Return the roots of all mounted cgroup trees: one on a new machine, one a controller on an old one."""
    return [Path(point) for point, kind in dict(procfs.mount_points()).items() if kind in ("cgroup", "cgroup2")]


def group_of_lab(number: int) -> str:
    """Given a lab's number, return the name of its group."""
    return f"{PARENT}/{number}"


def claim(group: str) -> bool:
    """Make the group for oneself; return False when somebody has it. The kernel decides, whatever records say."""
    folder = hierarchies()[0] / group
    while True:
        folder.parent.mkdir(exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError:
            return False
        except FileNotFoundError:  # another lab, the last one until now, took the parent away
            continue
        return True


def claimed_numbers() -> set[int]:
    """Return the numbers of all labs that have a group."""
    return {int(path.name) for root in hierarchies() for path in (root / PARENT).glob("[0-9]*")}


def create(group: str) -> None:
    """Make the group in every tree, able to take processes."""
    for root in hierarchies():
        for attempt in range(10):  # another lab may be taking the empty parent away just now
            try:
                _create_in(root, group)
                break
            except FileNotFoundError:
                if attempt == 9:
                    raise


def entrances(group: str) -> list[Path]:
    """Return the files that a process writes its pid to in order to enter the group."""
    return [root / group / "cgroup.procs" for root in hierarchies()]


def shell_entrances(group: str) -> list[Path]:
    """Return the same for a command run in a booted host: inside its root group where systemd keeps one."""
    found = []
    for root in hierarchies():
        folder = root / group
        if (folder / PAYLOAD).is_dir():
            folder = folder / PAYLOAD / SHELL_GROUP
            folder.mkdir(parents=True, exist_ok=True)
        found.append(folder / "cgroup.procs")
    return found


def pids(group: str) -> set[int]:
    """Return the processes in the group and in all groups below it, as this machine numbers them."""
    found: set[int] = set()
    for root in hierarchies():
        for folder, _, _ in os.walk(root / group):  # unlike rglob it bears with groups that end meanwhile
            with contextlib.suppress(OSError):
                found.update(int(line) for line in (Path(folder) / "cgroup.procs").read_text().split())
    return found - {0}


def kill_all(group: str, timeout_seconds: float = 15) -> None:
    """SIGKILL all that is in the group until nothing is. Raises LabError when something outlives the deadline."""
    deadline = time.monotonic() + timeout_seconds
    while remaining := pids(group):
        for pid in remaining:
            _kill_member(pid, group)
        if time.monotonic() > deadline:
            raise LabError(f"processes {sorted(remaining)} of {group} do not die; look at /proc/PID/stack")
        time.sleep(0.02)


def remove(group: str) -> None:
    """Kill what is in the group and take it away; with the last lab's group goes the one above all labs."""
    kill_all(group)
    for root in hierarchies():
        for folder, _, _ in os.walk(root / group, topdown=False):
            _remove_folder(Path(folder))
        if Path(group).parent == Path(PARENT):
            with contextlib.suppress(OSError):
                (root / PARENT).rmdir()


def _create_in(root: Path, group: str) -> None:
    folder = root
    for part in Path(group).parts:
        folder = folder / part
        folder.mkdir(exist_ok=True)
        _inherit_cpuset(folder)


def _remove_folder(folder: Path) -> None:
    for _ in range(100):
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:  # the kernel lets go of a dead process's group a moment later
            time.sleep(0.02)
    raise LabError(f"can't remove the control group {folder}: something is still in it")


def _kill_member(pid: int, group: str) -> None:
    """Kill the process if it is in the group now; between reading the list and here the pid may have changed hands."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return
    try:
        membership = (procfs.PROC / str(pid) / "cgroup").read_text()
        if any(f"/{group}/" in f"{line}/" for line in membership.splitlines()):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:
        pass
    finally:
        os.close(handle)


def _inherit_cpuset(folder: Path) -> None:
    """In the first version's cpuset tree a new group may use nothing until it is told otherwise."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        file = folder / name
        if file.exists() and not file.read_text().strip():
            with contextlib.suppress(OSError):
                file.write_text((folder.parent / name).read_text())
