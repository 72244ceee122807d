"""Where a job's processes live: a transient systemd unit of their own where root or passwordless sudo allows it.

Builds commands and reads facts; launching is the store's, ending what is left is the sweep's.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Callable, Sequence

from slave_agent.bootstrap.host_system import is_root

SYSTEMD_IS_RUNNING = Path("/run/systemd/system")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
SHORT_COMMAND_SECONDS = 20
UNIT_PREFIX = "d8-job-"

Runner = Callable[[Sequence[str]], int]
"""Runs a short command silently and returns its exit code."""


def run_silently(command: Sequence[str]) -> int:
    """Run `command` without input or output; return its exit code, or 127 where it can't be run in time."""
    try:
        finished = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=SHORT_COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return 127
    return finished.returncode


def root_prefix(run: Runner = run_silently) -> list[str] | None:
    """Return what to put before a command so that root runs it: nothing for root, `sudo -n`, or None where neither
    works.
    """
    if is_root():
        return []
    if shutil.which("sudo") and run(["sudo", "-n", "true"]) == 0:
        return ["sudo", "-n"]
    return None


def unit_prefix(run: Runner = run_silently) -> list[str] | None:
    """Return the root prefix where systemd can run a job in a unit of its own, else None."""
    if not SYSTEMD_IS_RUNNING.is_dir() or not shutil.which("systemd-run"):
        return None
    return root_prefix(run)


def unit_name(job_id: str) -> str:
    """Return the transient unit of a job."""
    return f"{UNIT_PREFIX}{job_id}.service"


def unit_command(job_id: str, supervisor: Sequence[str], uid: int, gid: int) -> list[str]:
    """Return the systemd-run command that starts `supervisor` in the job's own unit, as the given user.

    When the supervisor ends, systemd ends whatever is left in the unit, whoever owns it.
    """
    properties = ["Type=exec", "KillMode=control-group", "TimeoutStopSec=5", "OOMPolicy=continue", "UMask=0077"]
    command = ["systemd-run", "--quiet", "--collect", "--no-ask-password", f"--unit={unit_name(job_id)}"]
    command += [f"--uid={uid}", f"--gid={gid}", f"--description=D8 job {job_id}"]
    for assignment in properties:
        command += ["-p", assignment]
    return [*command, "--", *supervisor]


def keep_command(job_id: str, pids: Sequence[int]) -> list[str]:
    """Return the command that moves `pids` out of the job's unit into a scope of their own, where its end does not
    reach them.
    """
    method = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"]
    numbers = [str(pid) for pid in pids]
    scope = [f"d8-kept-{job_id}.scope", "fail", "1", "PIDs", "au", str(len(numbers)), *numbers, "0"]
    return ["busctl", "--quiet", "call", *method, "StartTransientUnit", "ssa(sv)a(sa(sv))", *scope]


def control_group(job_id: str, memberships: str, root: Path = CONTROL_GROUPS) -> Path | None:
    """Given the content of /proc/self/cgroup, return the folder of the job's own unit, or None when we are not
    in it.
    """
    for line in memberships.splitlines():
        hierarchy, controllers, path = line.split(":", 2)
        if unit_name(job_id) not in path.split("/"):
            continue
        if hierarchy == "0":
            unified = root if (root / "cgroup.procs").exists() else root / "unified"
            return unified / path.lstrip("/")
        if controllers == "name=systemd":
            return root / "systemd" / path.lstrip("/")
    return None


def members(group: Path | None) -> set[int]:
    """Return the numbers of the processes in a control group and in those below it."""
    found: set[int] = set()
    if group is None:
        return found
    for listing in group.rglob("cgroup.procs"):
        try:
            found.update(int(number) for number in listing.read_text(encoding="ascii").split())
        except OSError:
            continue  # that group has just gone
    return found - {0}
