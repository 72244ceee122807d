"""The lists: the fleet, the builds, the doctor's checks, the settings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from d8.actions.builds import BuildSummary
from d8.actions.checks import Check, CheckState
from d8.actions.execute import Execution
from d8.actions.status import ANSWERING, SlaveState, SlaveStatus
from d8.app_models import NEEDS_ATTENTION, AppState
from d8.menu.views.durations import duration
from d8.menu.views.printable import printable
from d8.menu.views.results import draw_reboot_warning, slave_facts
from d8.menu.views.screen import Screen
from d8.messages import Message, message
from d8.models import BuildStatus, Slave
from d8.paths import home_short
from d8.settings import SETTINGS, Settings

STATE_WORDS = {
    SlaveState.OK: message("ok"),
    SlaveState.OTHER_COMMIT: message("other commit"),
    SlaveState.BOOTSTRAP: message("bootstrap"),
    SlaveState.OTHER_MACHINE: message("other machine"),
    SlaveState.UNREACHABLE: message("unreachable"),
    SlaveState.REFUSED: message("refused"),
    SlaveState.UNKNOWN: message("unknown"),
}
BUILD_WORDS = {
    BuildStatus.RUNNING.value: (message("interrupted"), "warn"),
    BuildStatus.SUCCESS.value: (message("success"), "ok"),
    BuildStatus.FAILED.value: (message("failed"), "bad"),
    BuildStatus.CANCELLED.value: (message("cancelled"), "warn"),
    BuildStatus.DETACHED.value: (message("detached"), "warn"),
}
LONGEST_OUTPUT_LINES = 12


def draw_fleet(screen: Screen, statuses: Sequence[SlaveStatus], master_commit: str | None) -> None:
    """Given the status of every slave, show the table, then what needs attention with its remedy."""
    if not statuses:
        draw_no_slaves(screen)
        return
    headings = [message("Slave"), message("Host"), message("State"), message("Commit"), message("Answer")]
    headings.append(message("Apps"))
    screen.table(headings, [_fleet_row(screen, status) for status in statuses], 1)
    screen.gap()
    answering = sum(status.state in ANSWERING for status in statuses)
    screen.say(
        message(
            "{answering} of {all} answer. Master's commit: {commit}",
            answering=answering,
            all=len(statuses),
            commit=(master_commit or "?")[:10],
        ),
        "note",
    )
    for status in statuses:
        if status.detail:
            screen.warn(message("{slave}: {detail}", slave=status.slave.slave_id, detail=status.detail))
            if status.advice:
                screen.say_with_commands(status.advice, indent=2)


def draw_no_slaves(screen: Screen) -> None:
    """Say that the fleet is empty and how the first slave comes."""
    screen.say(message("No slaves yet. Generate a script (10), run it on the slave, then build it (11)."))


def draw_slaves(screen: Screen, slaves: Sequence[Slave]) -> None:
    """Given the registered slaves, show them without asking them."""
    if not slaves:
        draw_no_slaves(screen)
        return
    headings = [message("Slave"), message("Host"), message("Address"), message("Strategy"), message("Commit")]
    rows = [[s.slave_id, s.hostname, f"{s.address}:{s.port}", s.strategy.value, s.commit[:10]] for s in slaves]
    screen.table(headings, rows, 1)


def draw_slave(screen: Screen, status: SlaveStatus, system: dict[str, Any] | None) -> None:
    """Given a slave's status and the facts of its host (None: it does not answer), show both."""
    screen.title(message("{slave}", slave=status.slave.slave_id))
    screen.facts([*slave_facts(screen, status.slave), *(system_facts(system) if system else [])])
    if status.state not in ANSWERING:
        screen.error(status.detail, status.advice)
        return
    if status.state is not SlaveState.OK:
        screen.warn(status.detail)
        if status.advice:
            screen.say_with_commands(status.advice, indent=2)
    if not status.slave.survives_reboot:
        draw_reboot_warning(screen, status.slave)


def draw_executions(screen: Screen, problems: Screen, executions: Sequence[Execution]) -> None:
    """Given how a command ended on each slave, show it; the output of a single slave has been shown already.

    What went wrong is written to `problems` (stderr), so that stdout holds what the commands wrote.
    """
    for execution in executions:
        if len(executions) > 1:
            screen.title(message("{slave}", slave=execution.slave_id))
            for stream, text in (("stdout", execution.stdout), ("stderr", execution.stderr)):
                screen.raw(stream, text)
        if execution.is_cut:
            problems.warn(message("{slave}: the output is too long: only a part was kept", slave=execution.slave_id))
        if execution.error:
            problems.error(
                message("{slave}: {reason}", slave=execution.slave_id, reason=execution.error), execution.hint
            )
        elif execution.exit_code:
            problems.warn(message("{slave}: exit code {code}", slave=execution.slave_id, code=execution.exit_code))


def system_facts(system: dict[str, Any]) -> list[tuple[Message, Text | str]]:
    """Given the facts that an agent tells about its host, return the ones that matter at a glance, as rows."""
    cpu, memory, disk = (system.get(part) or {} for part in ("cpu", "memory", "disk"))
    rows: list[tuple[Message, Text | str]] = [
        (
            message("System"),
            f"{system.get('os', '?')} · {system.get('architecture', '?')} · {system.get('kernel', '?')}",
        ),
        (message("Up for"), duration(system.get("uptime_seconds") or 0)),
        (message("Processor"), f"{cpu.get('percent', '?')} % · {cpu.get('count', '?')} ×"),
        (message("Memory"), _used(memory, "available_bytes")),
        (message("Disk"), _used(disk, "free_bytes")),
    ]
    if system.get("temperature_celsius") is not None:
        rows.append((message("Temperature"), f"{system['temperature_celsius']} °C"))
    return rows


def draw_builds(screen: Screen, builds: Sequence[BuildSummary]) -> None:
    """Given the builds, newest first, show one line each."""
    if not builds:
        screen.say(message("No builds yet."))
        return
    headings = [message("Build"), message("Result"), message("Strategy"), message("Took")]
    rows: list[list[Text | str]] = [
        [build.build_id.removeprefix("build_"), build_word(screen, build.status), build.strategy or "-", _took(build)]
        for build in builds
    ]
    screen.table(headings, rows, 0)


def draw_build(screen: Screen, document: dict[str, Any], log_file: Path | None = None) -> None:
    """Given a build log's object, show its commands, the output of the failed ones, and how it ended."""
    for command in document.get("commands", []):
        _draw_command(screen, command)
    screen.gap()
    rows: list[tuple[Message, Text | str]] = [
        (message("Slave"), f"{document['slave_id']}  {document['slave_host']}"),
        (message("Result"), build_word(screen, str(document["status"]))),
        (message("Strategy"), str(document.get("strategy") or "-")),
        (message("Started"), _moment(str(document["timestamp"]))),
    ]
    if document.get("error"):
        rows.append((message("Error"), Text(printable(str(document["error"])), style="bad")))
    if document.get("hint"):
        rows.append((message("What to do"), str(document["hint"])))
    if document.get("diagnosis"):
        rows.append((message("Likely cause"), str(document["diagnosis"]["cause"])))
        rows.append((message("Read on"), str(document["diagnosis"]["doc"])))
    screen.facts(rows)
    if log_file:
        screen.say_with_commands(message("Log:\n{path}", path=home_short(log_file)), indent=2)


def draw_checks(screen: Screen, checks: Sequence[Check]) -> None:
    """Given the doctor's checks, show them with their remedies."""
    signs = {
        CheckState.OK: (screen.marks.ok, "ok"),
        CheckState.WARNING: (screen.marks.warn, "warn"),
        CheckState.FAILED: (screen.marks.bad, "bad"),
    }
    rows: list[list[Text | str]] = []
    for check in checks:
        outcome = screen.text(check.outcome)
        if check.fix:
            outcome = Text.assemble(outcome, "\n", screen.text(check.fix, "command"))
        rows.append([Text(*signs[check.state]), screen.text(check.name, "name"), outcome])
    screen.table([Message(""), message("Check"), message("Finding")], rows, 2)


def draw_settings(screen: Screen, settings: Settings) -> None:
    """Given the settings, show every variable and its value; of a secret only whether it is set."""
    rows: list[list[Text | str]] = []
    for setting in SETTINGS:
        value = getattr(settings, setting.attribute)
        if setting.is_secret:
            shown = screen.text(message("(set, hidden)")) if value else screen.text(message("(empty)"), "note")
        elif value is None:
            shown = screen.text(message("(empty)"), "note")
        else:
            shown = Text(printable(home_short(value) if isinstance(value, Path) else setting.write(value)))
        rows.append([setting.variable, shown])
    screen.table([message("Setting"), message("Value")], rows, 1)
    screen.say(message("They are explained in {path}.", path=home_short(settings.env_file)), "note")


def build_word(screen: Screen, status: str) -> Text:
    """Given a build's status, return its word for the screen."""
    word, style = BUILD_WORDS.get(status, (message("{status}", status=status), ""))
    return screen.text(word, style)


def _fleet_row(screen: Screen, status: SlaveStatus) -> list[Text | str]:
    style = "ok" if status.state is SlaveState.OK else "bad"
    mark = {"ok": screen.marks.ok, "bad": screen.marks.bad}[style]
    latency = f"{status.latency_seconds * 1000:.0f} ms" if status.latency_seconds is not None else "-"
    state = Text.assemble((f"{mark} ", style), screen.text(STATE_WORDS[status.state], style))
    commit = (status.commit or "-")[:10]
    return [status.slave.slave_id, status.slave.hostname, state, commit, latency, _apps(screen, status)]


def _apps(screen: Screen, status: SlaveStatus) -> Text:
    """How many of its apps run, and how many somebody should look at."""
    if status.apps is None:
        return Text("-")
    running = sum(app.status is AppState.RUNNING for app in status.apps)
    bad = sum(app.status in NEEDS_ATTENTION for app in status.apps)
    return Text.assemble(f"{running}/{len(status.apps)}", (f" {screen.marks.bad}{bad}" if bad else "", "bad"))


def _draw_command(screen: Screen, command: dict[str, Any]) -> None:
    succeeded = bool(command.get("success"))
    mark = (f"{screen.marks.ok} ", "ok") if succeeded else (f"{screen.marks.bad} ", "bad")
    first, *rest = str(command.get("command", "")).strip().splitlines() or [""]
    line = Text.assemble(mark, printable(first) + (f" {screen.marks.dots}" if rest else ""))
    line.truncate(max(20, screen.console.width - 16), overflow="ellipsis")
    screen.draw(Text.assemble(line, (f"  {duration(command.get('duration_seconds') or 0)}", "note")))
    if succeeded:
        return
    output = f"{command.get('stdout', '')}\n{command.get('stderr', '')}".strip().splitlines()
    for text in output[-LONGEST_OUTPUT_LINES:]:
        screen.draw(Text(f"  {screen.marks.bar} {printable(text)}", style="note"))
    screen.draw(screen.text(message("  exit code {code}", code=command.get("exit_code")), "note"))


def _took(build: BuildSummary) -> str:
    return duration(build.duration_seconds) if build.duration_seconds is not None else "-"


def _moment(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return text


def _used(part: dict[str, Any], free_field: str) -> str:
    total, free = part.get("total_bytes"), part.get(free_field)
    if not isinstance(total, int) or not isinstance(free, int):
        return "?"
    return f"{_size(total - free)} / {_size(total)} ({part.get('percent', '?')} %)"


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GB" if count >= 1024**3 else f"{count / 1024**2:.0f} MB"
