"""The distribution's packages: waits for the lock of another package manager instead of failing on it."""

from __future__ import annotations

from d8.shell import ShellCommand, command, script

LOCK_LOOK_SECONDS = 5
GIT = {"apt-get": "git", "dnf": "git", "yum": "git", "pacman": "git", "apk": "git", "zypper": "git"}
PSUTIL = {
    "apt-get": "python3-psutil",
    "dnf": "python3-psutil",
    "yum": "python3-psutil",
    "pacman": "python-psutil",
    "apk": "py3-psutil",
    "zypper": "python3-psutil",
}


def install(manager: str, *packages: str, lock_seconds: float) -> ShellCommand:
    """Given a package manager that preflight found, package names and how long to wait for another package manager
    (seconds, for each of its locks), return the command that installs them."""
    seconds = round(lock_seconds)
    if manager == "apt-get":
        options = ("-o", f"DPkg::Lock::Timeout={seconds}", "-o", "Dpkg::Options::=--force-confold")
        quiet = script("export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a")
        update = command("apt-get", "update", "-q", *options[:2])
        chosen = command("apt-get", "install", "-q", "-y", "--no-install-recommends", *options, *packages)
        # apt-get update takes its own lock, which no option waits for
        looks, pause = seconds // LOCK_LOOK_SECONDS, LOCK_LOOK_SECONDS
        waited = script(f"n=0; until {update.line}; do n=$((n+1)); [ $n -le {looks} ] || exit 100; sleep {pause}; done")
        return ShellCommand(f"{quiet.line}; {waited.line}; {chosen.line}")
    words = {
        "dnf": ("dnf", "install", "-y"),
        "yum": ("yum", "install", "-y"),
        "pacman": ("pacman", "-Sy", "--noconfirm", "--needed"),
        "apk": ("apk", "add", "--wait", str(seconds)),
        "zypper": ("zypper", "--non-interactive", "install"),
    }
    return command(*words[manager], *packages)
