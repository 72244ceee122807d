"""Can the lab run here, and what has to be installed first."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.lab import cgroups, machine
from tests.lab.errors import LabError, LabUnavailable

PACKAGES = ("systemd-container", "debootstrap", "iproute2", "iptables", "util-linux", "openssh-client")
TOOLS = ("systemd-nspawn", "debootstrap", "ip", "iptables", "unshare", "nsenter", "setpriv", "ssh")


@dataclass(frozen=True)
class Situation:
    """What decides whether the lab can run."""

    is_root: bool
    has_apt: bool
    missing_tools: tuple[str, ...]
    has_overlay: bool
    has_writable_cgroups: bool


def reason_against(situation: Situation) -> str | None:
    """Return why the lab can't run, as one sentence with what to do, or None when it can."""
    if not situation.is_root:
        return "the lab boots real hosts and needs root: run the tests as root, or with sudo"
    if situation.missing_tools and not situation.has_apt:
        missing = ", ".join(situation.missing_tools)
        return f"the lab needs {missing}: install them (on Debian it does so itself: {' '.join(PACKAGES)})"
    if not situation.has_overlay:
        return "the lab needs overlayfs, which this kernel has not: use a machine with a full Debian kernel"
    if not situation.has_writable_cgroups:
        return "the lab needs writable control groups under /sys/fs/cgroup: not inside an ordinary container"
    return None


def look() -> Situation:
    """Ask the machine."""
    return Situation(
        is_root=os.geteuid() == 0,
        has_apt=shutil.which("apt-get") is not None,
        missing_tools=tuple(tool for tool in TOOLS if shutil.which(tool, path=_search_path()) is None),
        has_overlay=_has_overlay(),
        has_writable_cgroups=bool(cgroups.hierarchies())
        and all(os.access(root, os.W_OK) for root in cgroups.hierarchies()),
    )


def lab_unavailable_reason() -> str | None:
    """Return why the lab can't run on this machine, or None. Changes nothing."""
    return reason_against(look())


def prepare_machine() -> None:
    """Install the Debian packages that are missing. Raises LabUnavailable where the lab can't run anyway."""
    situation = look()
    if (reason := reason_against(situation)) is not None:
        raise LabUnavailable(reason)
    if not situation.missing_tools:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    machine.run([*apt, "update"], env=environment, timeout_seconds=600, check=False)
    command = [*apt, "--no-install-recommends", "install", *PACKAGES]
    machine.run(command, env=environment, timeout_seconds=1200)
    if missing := look().missing_tools:
        raise LabError(f"installed {', '.join(PACKAGES)}, and still there is no {', '.join(missing)} in PATH")


def _search_path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _has_overlay() -> bool:
    filesystems = Path("/proc/filesystems")
    if "overlay" not in filesystems.read_text().split():
        machine.load_kernel_module("overlay")
    return "overlay" in filesystems.read_text().split()
