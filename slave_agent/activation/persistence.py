"""Which scope a host allows, and what an administrator runs to make the slave survive a reboot. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from shlex import quote
from typing import Any

from slave_agent.activation.states import Scope

REFRESH = {"apt-get": "apt-get update && "}
INSTALL = {
    "apt-get": "apt-get install -y {}",
    "dnf": "dnf install -y {}",
    "pacman": "pacman -S --noconfirm {}",
    "apk": "apk add {}",
}
PAM_SYSTEMD = {"apt-get": "libpam-systemd"}  # elsewhere it is part of systemd's own package
CRON_MARK = "# d8-agent"
CRON = {"apt-get": "cron", "dnf": "cronie", "pacman": "cronie", "apk": "cronie"}


@dataclass(frozen=True)
class HostFacts:
    """What was found on the host. `can_linger`: the user's manager outlives his logout, now or after asking for it."""

    user: str
    is_root: bool
    has_sudo: bool
    has_systemd: bool
    has_pam_systemd: bool
    can_linger: bool
    has_cron: bool
    package_manager: str | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def choose_scope(facts: HostFacts) -> Scope:
    """Given the facts, return the best scope: system with root, else user units, else cron, else nohup."""
    if facts.has_systemd and (facts.is_root or facts.has_sudo):
        return Scope.SYSTEM
    if facts.has_systemd and facts.can_linger and not facts.is_root:
        return Scope.USER
    return Scope.CRON if facts.has_cron else Scope.NOHUP


def persistence_command(facts: HostFacts, scope: Scope, cron_lines: list[str]) -> str | None:
    """Return the command line for root that makes this installation survive reboots; None where it does already.

    With systemd, lingering is all that is missing: the adopting user unit is enabled on disk beforehand. Without
    systemd it is cron, fed with `cron_lines`. Where neither can be had it says so with a shell comment.
    """
    if scope.survives_reboot:
        return None
    manager = facts.package_manager or ""
    if facts.has_systemd and not facts.is_root:
        missing = PAM_SYSTEMD.get(manager) if not facts.has_pam_systemd else None
        return _installing(manager, missing) + f"loginctl enable-linger {quote(facts.user)}"
    if manager in CRON:
        lines = "".join(f"{line}\\n" for line in cron_lines).replace("%", "%%")
        crontab = f"crontab -u {quote(facts.user)}"
        others = f"{crontab} -l 2>/dev/null | sed {quote(f'/{CRON_MARK}/d')}"  # his own lines stay, ours come once
        return _installing(manager, CRON[manager]) + f"{{ {others}; printf {quote(lines)}; }} | {crontab} -"
    return f"# neither systemd nor cron here: start this at boot as {facts.user}: {cron_lines[0].partition(' ')[2]}"


def _installing(manager: str, package: str | None) -> str:
    return REFRESH.get(manager, "") + INSTALL[manager].format(package) + " && " if package else ""
