"""Finds out what the host allows. Asking for lingering is the only thing that changes anything, and only on request."""

from __future__ import annotations

import os
import pwd
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from slave_agent.activation.commands import Runner
from slave_agent.activation.persistence import INSTALL, HostFacts

LINGER_FOLDER = Path("/var/lib/systemd/linger")
MANAGER_PATIENCE_SECONDS = 15.0


def gather_facts(runner: Runner, *, may_ask: bool, sleep: Callable[[float], None] = time.sleep) -> HostFacts:
    """Return the facts. With `may_ask` false only files are looked at: no sudo, no loginctl, no crontab is run."""
    user = pwd.getpwuid(os.geteuid()).pw_name
    is_root = os.geteuid() == 0
    has_systemd = Path("/run/systemd/system").is_dir()
    has_sudo = may_ask and not is_root and runner.run(["sudo", "-n", "true"], timeout_seconds=10).is_ok
    may_linger = may_ask and has_systemd and not is_root and not has_sudo
    return HostFacts(
        user=user,
        is_root=is_root,
        has_sudo=has_sudo,
        has_systemd=has_systemd,
        has_pam_systemd=_has_pam_systemd(),
        can_linger=may_linger and ask_to_linger(runner, user, sleep),
        has_cron=may_ask and _cron_runs(runner),
        package_manager=next(
            (name for name in INSTALL if shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")), None
        ),
    )


def lingers(user: str) -> bool:
    """Whether the user's manager is kept without a login."""
    return (LINGER_FOLDER / user).exists()


def ask_to_linger(runner: Runner, user: str, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Ask logind to let us linger and wait for our manager; return whether it answers."""
    if not lingers(user) and not runner.run(["loginctl", "enable-linger"], timeout_seconds=20).is_ok:
        return False
    manager = Path(f"/run/user/{os.geteuid()}/systemd/private")
    for _ in range(int(MANAGER_PATIENCE_SECONDS * 5)):
        if manager.exists():
            return True
        sleep(0.2)
    return False


def stop_lingering(runner: Runner) -> None:
    """Undo `ask_to_linger`."""
    runner.run(["loginctl", "disable-linger"], timeout_seconds=20)


def _cron_runs(runner: Runner) -> bool:
    """A crontab that we may use, and a daemon that reads it."""
    if shutil.which("crontab") is None:
        return False
    listed = runner.run(["crontab", "-l"], timeout_seconds=10)
    is_allowed = listed.is_ok or "no crontab" in listed.stderr.lower()
    return is_allowed and any(_is_cron(folder / "comm") for folder in Path("/proc").iterdir() if folder.name.isdigit())


def _is_cron(comm: Path) -> bool:
    try:
        return comm.read_text(encoding="utf-8").strip() in ("cron", "crond", "anacron", "fcron")
    except OSError:
        return False


def _has_pam_systemd() -> bool:
    places = ("lib*/security/pam_systemd.so", "lib*/*/security/pam_systemd.so")
    return any(found for root in ("/", "/usr") for place in places for found in Path(root).glob(place))
