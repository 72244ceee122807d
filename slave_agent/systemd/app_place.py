"""Where the files of apps lie: for all users of the host (root's) or for one user's own services. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from slave_agent.systemd.service_config import UNIT_PREFIX, unit_name

SYSTEM_APPS = Path("/etc/d8-agent/apps")
SYSTEM_USERS = Path("/etc/d8-agent/app-users")
SYSTEM_LOCKS = Path("/run/d8-agent-helper/locks")


@dataclass(frozen=True)
class AppPlace:
    """`units` is systemd's folder, `apps` ours for environments and undo notes. `users` is root's list of the users
    that apps may run as; None where they run as the one user whose services these are.
    """

    is_user: bool
    units: Path
    apps: Path
    locks: Path
    users: Optional[Path]

    @property
    def boot_target(self) -> str:
        """The target that starts enabled apps."""
        return "default.target" if self.is_user else "multi-user.target"

    def unit(self, name: str) -> Path:
        """The unit file of an app."""
        return self.units / unit_name(name)

    def drop_ins(self, name: str) -> Path:
        """The folder of additions that an administrator made to an app's unit."""
        return self.units / f"{unit_name(name)}.d"

    def boot_link(self, name: str) -> Path:
        """The link by which systemd starts an enabled app at boot."""
        return self.units / f"{self.boot_target}.wants" / unit_name(name)

    def environment(self, name: str) -> Path:
        """The file with an app's environment, which only its owner (root) can read."""
        return self.apps / f"{name}.env"

    def undo_note(self, name: str) -> Path:
        """The file that says what to put back."""
        return self.apps / f"{name}.undo.json"

    def lock(self, name: str) -> Path:
        """The file that whoever works on an app holds locked."""
        return self.locks / f"{name}.lock"

    def trial(self, name: str) -> Path:
        """The folder in which systemd reads an app's unit before it counts."""
        return self.locks / f"{name}.trial"

    @property
    def unit_pattern(self) -> str:
        """What the unit files of all apps match."""
        return f"{UNIT_PREFIX}*.service"


def system_place() -> AppPlace:
    """Return where root keeps apps."""
    return AppPlace(False, Path("/etc/systemd/system"), SYSTEM_APPS, SYSTEM_LOCKS, SYSTEM_USERS)


def user_place(home: Path, etc: Path) -> AppPlace:
    """Given the home that the user's manager looks into and the folder of D8's settings, return where apps lie."""
    apps = etc / "apps"
    return AppPlace(True, home / ".config/systemd/user", apps, apps / "locks", None)
