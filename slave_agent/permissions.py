"""Which rights the agent has here and how to get the missing ones. Pure: from facts to the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slave_agent.models import AgentSettings, JsonObject
from slave_agent.privilege import Permission, PermissionReport, SudoersFinding
from slave_agent.states import Scope

BUILD_WITH_ROOT = "Build this slave again as root or as a user with passwordless sudo."
FREE_SYSTEMCTL = (
    "These rules let a user run systemctl as root without a password, with words of the user's own choice. That is root"
    " for everybody who gets to that user: a unit of one's own (link, edit) runs any command. D8 does not need them:"
    " root's helper takes fixed verbs only."
)
NO_FREE_SYSTEMCTL = (
    "No rule of sudo names systemctl for use as root without a password. Rules for ALL commands are not counted: they"
    " say by themselves what they give."
)
ONLY_ROOT_READS = "Only root can read sudo's rules. The command shows those that name systemctl."
LOOK_FOR_RULES = "sudo grep -rs 'NOPASSWD.*systemctl' /etc/sudoers /etc/sudoers.d"
USER_OF_THEIR_OWN = (
    "sudo useradd --create-home apps && echo apps | sudo tee -a /etc/d8-agent/app-users"
    "   # a user of their own for apps"
)


@dataclass(frozen=True)
class HostView:
    """What the agent's own user can reach: None where it does not matter."""

    user: str
    has_manager: bool
    reads_journal: bool
    sees_processes: bool
    is_contained: bool = False


UNIT_FILES = Permission(
    "unit-files",
    False,
    "this agent is in a container, which hides the host's unit files: an edit by hand is not seen",
    "# Look on the host: systemctl cat 'd8-app-*'",
    is_needed=False,
)


def system_report(
    settings: AgentSettings, view: HostView, helper: Permission, users: JsonObject, sudoers: JsonObject
) -> PermissionReport:
    """Given what was seen and what root's helper said of users and rules (empty if nothing), return the report."""
    hidden = (UNIT_FILES,) if view.is_contained else ()
    permissions = (helper, _users(users, helper.granted), *_common(settings, view), *hidden)
    return PermissionReport(settings.scope.value, permissions, _sudoers(sudoers))


def own_report(settings: AgentSettings, view: HostView) -> PermissionReport:
    """Given what was seen, return the report of an agent that works with its own user's services."""
    others = Permission(
        "other-users", False, f"without root, apps run as {view.user} alone", f"# {BUILD_WITH_ROOT}", is_needed=False
    )
    return PermissionReport(settings.scope.value, (*_common(settings, view), others), _sudoers({}))


def no_report(settings: AgentSettings, view: HostView, reason: str) -> PermissionReport:
    """Given why there are no services here, return the report."""
    services = Permission("services", False, reason, way_to_services(settings))
    return PermissionReport(settings.scope.value, (services, *_common(settings, view)[1:]), _sudoers({}))


def way_to_services(settings: AgentSettings) -> str:
    """What to run so that an agent without services gets some."""
    return settings.persistence_command or f"# {BUILD_WITH_ROOT}"


def _common(settings: AgentSettings, view: HostView) -> tuple[Permission, ...]:
    is_system = settings.scope is Scope.SYSTEM
    manager = "systemctl" if is_system else "systemctl --user"
    service = "sudo systemctl restart d8-agent" if is_system else "systemctl --user restart d8-agent"
    join = f"sudo usermod -aG systemd-journal {view.user} && {service}"
    return (
        Permission(
            "systemd",
            view.has_manager,
            f"{manager} {'answers' if view.has_manager else 'does not answer'}",
            None if view.has_manager else f"{manager} is-system-running",
        ),
        Permission(
            "journal",
            view.reads_journal,
            "the journal can be read" if view.reads_journal else f"{view.user} can't read the journal: no logs of apps",
            None if view.reads_journal else join,
        ),
        Permission(
            "processes",
            view.sees_processes,
            "the host's processes can be seen" if view.sees_processes else "the host's processes are hidden from here",
            None if view.sees_processes else "# Build the container again: it needs pid: host. Or remount /proc.",
        ),
        Permission(
            "survives-reboot",
            settings.survives_reboot,
            "agent and apps start at boot" if settings.survives_reboot else "agent and apps are gone after a reboot",
            None if settings.survives_reboot else settings.persistence_command,
            is_needed=False,
        ),
    )


def _users(answer: JsonObject, is_helper_there: bool) -> Permission:
    users: list[Any] = answer.get("users", [])
    command = str(answer.get("command") or "echo USER | sudo tee -a /etc/d8-agent/app-users")
    if users:
        detail = f"apps may run as: {', '.join(map(str, users))}"
        near = answer.get("near_root") or {}
        for user, way in near.items():
            detail += f"; an app of {user} could become root through {way}"
        return Permission("app-users", True, detail, USER_OF_THEIR_OWN if near else None)
    detail = "no user is listed that apps may run as" if is_helper_there else "not known without root's helper"
    return Permission("app-users", False, detail, command)


def _sudoers(answer: JsonObject) -> SudoersFinding:
    if "files" not in answer:
        return SudoersFinding(None, (), ONLY_ROOT_READS, LOOK_FOR_RULES)
    files = tuple(str(path) for path in answer["files"])
    unread = tuple(str(path) for path in answer.get("unread", ()))
    if not files:
        rest = f" Not readable: {', '.join(unread)}." if unread else ""
        return SudoersFinding(None if unread else False, (), NO_FREE_SYSTEMCTL + rest)
    commands = " && ".join(f"sudo visudo -f {path}" for path in files)
    return SudoersFinding(True, files, FREE_SYSTEMCTL, f"{commands}   # delete those rules")
