"""Debian splits venv off Python: says the one command that brings it, or runs it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from d8.errors import D8Error
from d8.processes import run

APT_TIMEOUT_SECONDS = 900


def install_command(os_release: str) -> str:
    """Given the text of /etc/os-release, return the command that brings Python's venv on that system. Pure."""
    family = " ".join(re.findall(r"^ID(?:_LIKE)?=\"?([^\"\n]*)", os_release, re.MULTILINE))
    if re.search(r"debian|ubuntu|raspbian", family):
        return "apt-get update && apt-get install -y python3-venv"
    if re.search(r"suse", family):
        return "zypper install python311-base"
    if re.search(r"fedora|rhel", family):
        return "dnf install -y python3-pip"
    return ""


def provide_venv(may_install: bool, os_release: Path = Path("/etc/os-release")) -> None:
    """Given whether packages may be installed without asking, install Debian's package if root. Raises D8Error."""
    command = install_command(os_release.read_text() if os_release.exists() else "")
    is_root = os.geteuid() == 0
    if may_install and is_root and command.startswith("apt-get"):
        done = run(["sh", "-c", command], timeout_seconds=APT_TIMEOUT_SECONDS)
        if done.exit_code == 0:
            return
        raise D8Error(
            "installing python3-venv failed: {reason}",
            "Run it yourself: {command}",
            reason=done.stderr.strip()[-500:],
            command=command,
        )
    if not command:
        raise D8Error(
            "this Python can't make virtual environments (venv or ensurepip is missing)",
            "Install the Python of python.org, or your system's package for venv.",
        )
    shown = command if is_root else f"sudo sh -c '{command}'"
    raise D8Error(
        "Python's venv is missing on this machine", "Run this once, then start again: {command}", command=shown
    )
