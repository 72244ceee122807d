"""How each action's result looks."""

from __future__ import annotations

import shlex

from rich.text import Text

from d8.actions.installer import InstallerMade
from d8.actions.remove import Removal
from d8.actions.trust import Trust
from d8.menu.views.durations import duration
from d8.menu.views.requests import draw_diagnosis, draw_escalation
from d8.menu.views.screen import Screen
from d8.messages import Message, message
from d8.models import BuildReport, BuildStatus, Scope, Slave
from d8.paths import home_short

KEPT_BY = {
    Scope.SYSTEM: message("systemd"),
    Scope.USER: message("systemd, as user service"),
    Scope.CRON: message("cron"),
    Scope.NOHUP: message("nothing (nohup)"),
}


def draw_installer(screen: Screen, made: InstallerMade) -> None:
    """Given a new installer, show where it is and the two steps that follow."""
    screen.good(message("Install script written (it holds secrets: treat it like a password)"))
    scripts = [(message("Script"), home_short(made.sh))] if made.sh else []
    windows = [(message("For Windows"), home_short(made.bat))] if made.bat else []
    screen.facts(
        [
            *scripts,
            *windows,
            (message("Master"), made.master_address),
            (message("Slave's port"), str(made.port)),
            (message("Valid until"), f"{made.expires.astimezone():%Y-%m-%d %H:%M}"),
        ]
    )
    for warning in made.warnings:
        screen.warn(warning)
    screen.gap()
    if made.sh is None:
        screen.say(message("Copy it to the Windows machine and start it there, in a console:"))
        screen.command(f"{made.script.name} --start")
        return
    screen.say(message("1. Copy it to the slave and start it there (user and address are yours):"))
    screen.command(shlex.join(["scp", str(made.sh), "pi@192.168.4.25:"]))
    screen.command(f"ssh -t pi@192.168.4.25 sh {made.sh.name} --start")
    screen.say(message("2. Here, choose option 11 and give the slave's address."))


def draw_report(screen: Screen, report: BuildReport, curl: str | None) -> None:
    """Given a build's report and, after a success, the curl line, show the outcome and what comes next."""
    screen.gap()
    if report.status is not BuildStatus.SUCCESS:
        screen.error(
            message(
                "{slave} was not built: {reason}", slave=report.slave_id, reason=report.error or report.status.value
            ),
            report.hint,
        )
        screen.say_with_commands(message("Log:\n{path}", path=home_short(report.log_file)), indent=2)
        if report.diagnosis:
            draw_diagnosis(screen, report.diagnosis)
        if report.request:
            draw_escalation(screen, report.request)
        return
    screen.good(message("{slave} is ready: its agent answers", slave=report.slave_id))
    seconds = report.document.get("duration_seconds")
    rows: list[tuple[Message, Text | str]] = [(message("Took"), duration(seconds))] if seconds is not None else []
    if report.slave:
        rows += slave_facts(screen, report.slave)
    screen.facts(rows)
    screen.say_with_commands(message("Log:\n{path}", path=home_short(report.log_file)), indent=2)
    if curl:
        screen.say(message("Try it:"))
        screen.command(curl)


def slave_facts(screen: Screen, slave: Slave) -> list[tuple[Message, Text | str]]:
    """Given a slave, return what the registry knows of it, as rows."""
    survives = screen.text(message("yes"), "ok") if slave.survives_reboot else screen.text(message("no"), "warn")
    return [
        (message("Host"), f"{slave.hostname}  {slave.address}:{slave.port}"),
        (message("Strategy"), slave.strategy.value),
        (message("Commit"), slave.commit[:10]),
        (message("Kept alive by"), screen.text(KEPT_BY[slave.scope])),
        (message("Survives a reboot"), survives),
    ]


def draw_reboot_warning(screen: Screen, slave: Slave) -> None:
    """Given a slave whose agent a reboot would end, say so aloud, with the command that changes it."""
    screen.warn(message("{slave} does NOT survive a reboot.", slave=slave.slave_id))
    if slave.persistence_command:
        screen.say(message("An administrator of it can change that with:"))
        screen.command(slave.persistence_command)


def draw_removal(screen: Screen, removal: Removal) -> None:
    """Given what became of a slave, show it."""
    if removal.warning:
        screen.warn(removal.warning)
    else:
        screen.good(message("{slave}: agent uninstalled, slave forgotten", slave=removal.slave.slave_id))
        if removal.apps_removed:
            screen.say(message("Apps that were removed with it: {count}", count=removal.apps_removed))


def draw_trust(screen: Screen, trust: Trust) -> None:
    """Given the fleet's certificate and the slaves' lines, show them."""
    screen.say(message("Certificate of the fleet, for curl and browsers:"))
    screen.command(str(trust.ca_certificate))
    for line in trust.lines:
        screen.gap()
        screen.say(message("{slave}:", slave=line.slave_id), "name")
        if line.ended:
            screen.warn(line.ended)
            screen.say_with_commands(line.advice, indent=2)
        else:
            screen.command(line.command)
