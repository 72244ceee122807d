"""The distribution's packages: waits for the lock of another package manager instead of failing on it."""

from __future__ import annotations

from d8.shell import ShellCommand, command, script

LOCK_LOOK_SECONDS = 5
# apt-get update takes its own lock, which no option waits for. Whatever else ails it, a source of somebody else's that
# is dead, say, need not concern our packages: the lists that are there may do.
UPDATE = """n=0; export LC_ALL=C
until { said=$(apt-get update -q 2>&1 >&3); } 3>&1; do
    case $said in
        *"Could not get lock"* | *"Unable to lock"*) ;;
        *) said="$said; the package lists that are there are used"; break ;;
    esac
    printf '%s\\n' "$said" >&2
    n=$((n+1)); [ $n -le $looks ] || exit 100; sleep $pause
done
[ -z "$said" ] || printf '%s\\n' "$said" >&2"""
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
        chosen = command("apt-get", "install", "-q", "-y", "--no-install-recommends", *options, *packages)
        limits = script(f"looks={seconds // LOCK_LOOK_SECONDS} pause={LOCK_LOOK_SECONDS}")
        return ShellCommand(f"{quiet.line}; {limits.line}; {UPDATE}; {chosen.line}")
    words = {
        "dnf": ("dnf", "install", "-y"),
        "yum": ("yum", "install", "-y"),
        "pacman": ("pacman", "-Sy", "--noconfirm", "--needed"),
        "apk": ("apk", "add", "--wait", str(seconds)),
        "zypper": ("zypper", "--non-interactive", "install"),
    }
    return command(*words[manager], *packages)
