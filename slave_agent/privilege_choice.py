"""Picks who does what the agent may not, and says once in the log what is missing."""

from __future__ import annotations

import logging
import os
import pwd
from pathlib import Path

from slave_agent.helper_client import HelperClient
from slave_agent.helper_privilege import HelperPrivilege
from slave_agent.models import AgentSettings, JsonObject
from slave_agent.no_privilege import NoPrivilege
from slave_agent.own_privilege import OwnPrivilege
from slave_agent.permissions import HostView, no_report, own_report, system_report, way_to_services
from slave_agent.privilege import Permission, PermissionReport, Privilege
from slave_agent.process_runner import Runner
from slave_agent.states import Scope
from slave_agent.systemd.accounts import Account
from slave_agent.systemd.app_place import user_place
from slave_agent.systemd.host_checks import host_problems, path_problems
from slave_agent.systemd.operations import AppOperations
from slave_agent.systemd.service_config import FieldProblem, ServiceConfig
from slave_agent.systemd.systemctl import Systemctl

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 10.0
_JOURNALS = (Path("/var/log/journal"), Path("/run/log/journal"))
_MARKS_OF_A_CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))
_NO_SERVICES = "this agent runs without systemd, so apps can't be services here"


def privilege_for(settings: AgentSettings, run: Runner) -> Privilege:
    """Given the settings and how to run a process, return who does what the agent may not do itself."""
    if settings.scope is Scope.SYSTEM and settings.helper_socket is not None:

        def report(helper: Permission, users: JsonObject, sudoers: JsonObject) -> PermissionReport:
            return system_report(settings, host_view(settings.scope, run), helper, users, sudoers)

        return HelperPrivilege(HelperClient(settings.helper_socket), report)
    if settings.scope is Scope.USER:
        return OwnPrivilege(_own_operations(settings, run), lambda: own_report(settings, host_view(Scope.USER, run)))
    return NoPrivilege(
        _NO_SERVICES,
        f"Run: {way_to_services(settings)}",
        lambda: no_report(settings, host_view(settings.scope, run), _NO_SERVICES),
    )


def log_what_is_missing(report: PermissionReport) -> None:
    """Say in the log, once at the start, which rights are missing and how to get them."""
    for permission in report.missing:
        level = logging.WARNING if permission.is_needed else logging.INFO
        _log.log(level, "missing: %s: %s. Run: %s", permission.name, permission.detail, permission.command or "-")
    if report.sudoers.found:
        _log.warning("sudo: %s: %s", ", ".join(report.sudoers.files), report.sudoers.explanation)


def host_view(scope: Scope, run: Runner) -> HostView:
    """Look at what this process can reach of the host."""
    manager = ["systemctl", *([] if scope is Scope.SYSTEM else ["--user"]), "show", "--property=Version"]
    return HostView(
        user=_user(),
        has_manager=scope in (Scope.SYSTEM, Scope.USER) and run(manager, _LOOK_SECONDS).success,
        reads_journal=_reads_journal(),
        sees_processes=_sees_processes(),
        is_contained=any(mark.exists() for mark in _MARKS_OF_A_CONTAINER),
    )


def _own_operations(settings: AgentSettings, run: Runner) -> AppOperations:
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    place = user_place(home, settings.state_dir.parent / "etc")

    def look(config: ServiceConfig, account: Account) -> tuple[list[FieldProblem], str | None]:
        return host_problems(config, account, run, is_user=True)

    return AppOperations(place, Systemctl(run, is_user=True), look, path_problems)


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _reads_journal() -> bool:
    """Whether a journal is readable: the system's, or this user's own."""
    names = ("system.journal", f"user-{os.geteuid()}.journal")
    try:
        return any(
            os.access(file, os.R_OK) for folder in _JOURNALS for name in names for file in folder.glob(f"*/{name}")
        )
    except OSError:
        return False


def _sees_processes() -> bool:
    """Whether process 1 is the host's own; in a container of its own it is the agent, and hidepid hides it."""
    try:
        return Path("/proc/1/comm").read_text(encoding="utf-8").strip() in ("systemd", "init")
    except OSError:
        return False
