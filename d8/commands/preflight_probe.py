"""Sent to the slave over standard input and run there by `python3 -I -`: prints one JSON object with the host's facts.

Standard library and Python 3.9 only; changes nothing on the host; a question that fails answers null,
false or nothing.
"""

from __future__ import annotations

import glob
import grp
import json
import os
import platform
import pwd
import shutil
import socket
import subprocess
import time
from typing import Any


def said(*words: str, timeout: float = 10) -> str | None:
    """Given a command, return its output when it succeeded, else None."""
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
            text=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def read(path: str) -> str | None:
    """Given a path, return the file's text, or None."""
    try:
        with open(path) as stream:
            return stream.read()
    except (OSError, UnicodeDecodeError):
        return None


def os_release() -> dict[str, str]:
    """Return /etc/os-release as a dictionary."""
    pairs = (line.split("=", 1) for line in (read("/etc/os-release") or "").splitlines() if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, value in pairs}


def available_memory() -> int | None:
    """Return the memory that programs could still get, in bytes."""
    lines = (line.split() for line in (read("/proc/meminfo") or "").splitlines())
    table = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if len(words) > 1}
    return table.get("MemAvailable", table.get("MemFree"))


def free_bytes(path: str) -> int | None:
    """Given a path that may not exist yet, return the free bytes of the file system it would be on."""
    while path and not os.path.exists(path):
        path = os.path.dirname(path)
    try:
        return shutil.disk_usage(path or "/").free
    except OSError:
        return None


def own_disk(path: str = "/opt/d8-agent") -> list[str]:
    """Return the folder of releases where it is a file system of its own, else nothing: then it has /opt's room."""
    return [path] if os.path.ismount(path) else []


def sudo() -> str:
    """Return how this user becomes root: is_root, passwordless, password, none."""
    if os.geteuid() == 0:
        return "is_root"
    if not shutil.which("sudo"):
        return "none"
    if said("sudo", "-n", "true") is not None:
        return "passwordless"
    groups = {group.gr_name for group in grp.getgrall() if group.gr_gid in os.getgroups()}
    return "password" if groups & {"sudo", "wheel", "admin"} else "none"


def docker(prefix: tuple[str, ...]) -> dict[str, Any]:
    """Given how to become root, return Docker's and compose's versions, and why its daemon does not answer."""
    found: dict[str, Any] = {"client": bool(shutil.which("docker")), "engine": None, "problem": "", "compose": None}
    groups = {group.gr_name for group in grp.getgrall() if group.gr_gid in os.getgroups()}
    found["is_in_group"] = "docker" in groups
    if not found["client"]:
        return found
    words = (*prefix, "docker", "version", "--format", "{{.Server.Version}}")
    try:
        asked = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False, text=True)
        if asked.returncode == 0:
            found["engine"] = asked.stdout.strip()
        else:
            found["problem"] = (asked.stderr.strip().splitlines() or ["no reason given"])[-1]
    except subprocess.TimeoutExpired as problem:
        found["problem"] = "no answer within %g s" % problem.timeout
    except (OSError, subprocess.SubprocessError) as problem:
        found["problem"] = str(problem)
    versions = [said(*compose, "version", "--short") for compose in (("docker", "compose"), ("docker-compose",))]
    found["compose"] = next((version for version in versions if version), None)
    return found


def pythons() -> dict[str, list[int]]:
    """Return the interpreters on PATH as {path: [major, minor]}."""
    show = "import sys; print(sys.version_info[0], sys.version_info[1])"
    found = {}
    names = ["python3", *(f"python3.{minor}" for minor in range(11, 20))]
    for path in [shutil.which(name, path=place) for place in ("/usr/local/bin:/usr/bin", None) for name in names]:
        version = said(path, "-I", "-c", show) if path else None
        if path and version:
            found[path] = [int(word) for word in version.split()]
    return found


def default_route() -> bool:
    """Return whether any default route leaves this host."""
    ipv4 = [line.split() for line in (read("/proc/net/route") or "").splitlines()[1:]]
    ipv6 = [line.split() for line in (read("/proc/net/ipv6_route") or "").splitlines()]
    return any(words[1] == "00000000" for words in ipv4) or any(
        words[0] == "0" * 32 and words[1] == "00" and words[-1] != "lo" for words in ipv6
    )


def addresses() -> list[str]:
    """Return the host's own addresses, without loopback."""
    listed = said("ip", "-json", "address")
    entries = [entry for link in json.loads(listed or "[]") for entry in link.get("addr_info", [])]
    every = [str(entry["local"]) for entry in entries if "local" in entry]
    return [address for address in every if not address.startswith(("127.", "::1", "fe80:"))]


def facts() -> dict[str, Any]:
    """Return everything that the master asks."""
    release = os_release()
    user = pwd.getpwuid(os.geteuid())
    rights = sudo()
    managers = ("apt-get", "dnf", "yum", "pacman", "apk", "zypper")
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "libc": platform.libc_ver()[0] or ("musl" if glob.glob("/lib/ld-musl-*") else ""),
        "os_name": release.get("PRETTY_NAME", ""),
        "hostname": socket.gethostname(),
        "machine_id": (read("/etc/machine-id") or "").strip(),
        "boot_id": (read("/proc/sys/kernel/random/boot_id") or "").strip(),
        "addresses": addresses(),
        "has_systemd": os.path.isdir("/run/systemd/system"),
        "user": user.pw_name,
        "home": os.environ.get("HOME") or user.pw_dir,
        "sudo": rights,
        "docker": docker(("sudo", "-n") if rights == "passwordless" else ()),
        "pythons": pythons(),
        "git": said("git", "--version"),
        "package_manager": next((name for name in managers if shutil.which(name)), None),
        "memory_available_bytes": available_memory(),
        "disk_free_bytes": {path: free_bytes(path) for path in (user.pw_dir, "/opt", *own_disk(), "/var/lib")},
        "bootstrap": {key: os.environ.get("D8_BOOTSTRAP_" + key.upper()) for key in ("config", "server", "pid")},
        "is_isolated": os.environ.get("D8_BOOTSTRAP_PRIVILEGE") == "none",
        "clock": time.time(),
        "has_default_route": default_route(),
    }


print(json.dumps(facts()))
