"""How apps look: the table of a slave, one app in detail, what became of an operation, what is wrong with a form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from d8.actions.apps import AppEdit, AppRemoval, AppResult, AppShown, SlaveApps
from d8.app_models import AppPermission, AppState, AppStatus, AppVerb
from d8.menu.views.failures import draw_log_tail
from d8.menu.views.printable import printable
from d8.menu.views.screen import Screen
from d8.messages import Message, message

STATE_WORDS = {
    AppState.RUNNING: (message("running"), "ok"),
    AppState.CRASHED: (message("crashed"), "bad"),
    AppState.FAILED: (message("failed"), "bad"),
    AppState.ZOMBIE: (message("unmanaged process"), "bad"),
    AppState.STOPPED: (message("stopped"), "note"),
    AppState.STARTING: (message("starting"), "warn"),
    AppState.RESTARTING: (message("restarting"), "warn"),
    AppState.STOPPING: (message("stopping"), "warn"),
    AppState.UNKNOWN: (message("unknown"), "warn"),
}
HEADINGS = (
    message("App"),
    message("Status"),
    message("PID"),
    message("CPU"),
    message("RAM"),
    message("Restarts"),
    message("Since"),
)
NUMBERS = range(2, 6)
CONFIGURED = {
    "description": message("Description"),
    "arguments": message("Arguments"),
    "interpreter": message("Interpreter"),
    "host": message("Listens on"),
    "memory_bytes": message("Most memory"),
    "cpu_percent": message("Most of a processor (%)"),
    "tasks": message("Most processes"),
    "restart": message("Started again"),
    "hardening": message("Hardening"),
    "after": message("Starts after"),
    "wants": message("Starts together with"),
    "stabilisation_seconds": message("Time to prove itself (s)"),
}
LONGEST_VALUE = 200
USERS = "app-users"  # the permission that names the users that apps may run as


def at_work(slave: str, app: str) -> Message:
    """Given a slave and the app that something is done with, return what is shown meanwhile."""
    return message("{slave} is at work on {app}: this may take a minute", slave=slave, app=app)


def draw_apps(screen: Screen, found: SlaveApps) -> None:
    """Given the apps of a slave, show the table and what deserves attention."""
    if not found.apps:
        screen.say(message("No apps on {slave} yet. Register one: option 4.", slave=found.slave.slave_id))
        return
    screen.draw(apps_table(screen, found.apps))
    for app in found.apps:
        if app.problem:
            screen.warn(message("{app}: {problem}", app=app.name, problem=app.problem))


def apps_picture(screen: Screen, found: SlaveApps, note: Message) -> RenderableType:
    """Given the apps of a slave and a line about the picture, return both, for a screen that is kept up to date."""
    empty = screen.text(message("No apps on {slave} yet. Register one: option 4.", slave=found.slave.slave_id))
    return Group(apps_table(screen, found.apps) if found.apps else empty, Text(), screen.text(note, "note"))


def apps_table(screen: Screen, apps: Sequence[AppStatus]) -> Table:
    """Given apps, return their table."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="note", pad_edge=False)
    for index, heading in enumerate(HEADINGS):
        is_number = index in NUMBERS
        table.add_column(
            screen.text(heading),
            no_wrap=index > 0,
            overflow="fold",
            justify="right" if is_number else "left",
        )
    for app in apps:
        table.add_row(
            Text(printable(app.name), style="name"),
            state_word(screen, app.status),
            str(app.pid or "-"),
            f"{app.cpu_percent:.1f} %" if app.cpu_percent is not None else "-",
            size(app.memory_bytes),
            str(app.restarts),
            since(app.since, datetime.now().astimezone()),
        )
    return table


def state_word(screen: Screen, state: AppState) -> Text:
    """Given a state, return it with the sign that tells it without colour."""
    word, style = STATE_WORDS[state]
    mark = {"ok": screen.marks.ok, "bad": screen.marks.bad, "warn": screen.marks.warn}.get(style, " ")
    return Text.assemble((f"{mark} ", style), screen.text(word, style))


def draw_app(screen: Screen, shown: AppShown) -> None:
    """Given an app with its configuration and the end of its journal, show all of it."""
    app, config = shown.detail.app, shown.detail.config
    rows: list[tuple[Message, Text | str]] = [(message("Status"), _status(screen, app))]
    if app.problem:
        rows.append((message("Problem"), app.problem))
    rows += [
        (message("Service"), app.unit),
        (message("Kind"), app.kind),
        (message("Script"), _value(config.get("script"))),
        (message("User"), app.user),
        (message("Folder"), _value(config.get("working_dir"))),
        (message("Process"), str(app.pid or "-")),
        (message("Memory"), size(app.memory_bytes)),
        (message("Restarts"), str(app.restarts)),
        (message("Since"), since(app.since, datetime.now().astimezone())),
        (message("Starts with the slave"), screen.text(message("yes") if app.enabled else message("no"))),
    ]
    if app.port:
        rows.append((message("Port"), str(app.port)))
    rows += _configured(config)
    if shown.detail.exposure is not None:
        rows.append((message("Exposure"), screen.text(message("{level} of 10", level=f"{shown.detail.exposure:.1f}"))))
    if shown.detail.environment_names:
        rows.append((message("Variables"), _hidden(screen, shown.detail.environment_names)))
    screen.facts(rows)
    draw_log_tail(screen, shown.detail.log)


def _configured(config: dict[str, Any]) -> list[tuple[Message, Text | str]]:
    """The rest of an app's configuration, as far as it says something."""
    rows: list[tuple[Message, Text | str]] = []
    for field, label in CONFIGURED.items():
        value = config.get(field)
        if value not in (None, "", []):
            is_size = field == "memory_bytes" and type(value) is int
            rows.append((label, size(value) if is_size else _value(value)))
    return rows


def draw_result(screen: Screen, result: AppResult, verb: AppVerb) -> None:
    """Given an app after an operation, say how it is."""
    if verb not in (AppVerb.ENABLE, AppVerb.DISABLE):
        screen.good(message("{app}: done", app=result.app.name))
    elif result.app.enabled:
        screen.good(message("{app} starts with the slave", app=result.app.name))
    else:
        screen.good(message("{app} does not start with the slave", app=result.app.name))
    screen.draw(_status(screen, result.app), indent=2)
    if result.app.problem:
        screen.warn(message("{app}: {problem}", app=result.app.name, problem=result.app.problem))


def draw_registered(screen: Screen, result: AppResult) -> None:
    """Given a new app, say that it runs."""
    app = result.app
    screen.good(message("{app} is registered on {slave} and stayed up", app=app.name, slave=result.slave.slave_id))
    rows: list[tuple[Message, Text | str]] = [(message("Status"), _status(screen, app)), (message("Service"), app.unit)]
    if app.port:
        rows.append((message("Port"), str(app.port)))
    screen.facts(rows)


def draw_description(screen: Screen, document: dict[str, Any]) -> None:
    """Given the description of an app that is about to be registered, show it; of its environment only the names."""
    labels = {
        "name": message("App"),
        "kind": message("Kind"),
        "script": message("Script"),
        "user": message("User"),
        "working_dir": message("Folder"),
        "port": message("Port"),
        "memory_bytes": message("Memory"),
        "cpu_percent": message("Processor"),
        "restart": message("Restarts"),
        "arguments": message("Arguments"),
    }
    rows: list[tuple[Message, Text | str]] = [
        (label, size(document[field]) if field == "memory_bytes" else _value(document[field]))
        for field, label in labels.items()
        if field in document
    ]
    if environment := document.get("environment"):
        rows.append((message("Variables"), _hidden(screen, list(environment))))
    screen.gap()
    screen.facts(rows)
    screen.gap()


def draw_permissions(screen: Screen, permissions: Sequence[AppPermission]) -> None:
    """Given what managing apps needs on a slave, say what is missing and how it is had; and which users are allowed."""
    for one in permissions:
        if not one.is_granted:
            screen.warn(message("{name}: {detail}", name=one.name, detail=one.detail))
            if one.command:
                screen.command(one.command, indent=2)
        elif one.name == USERS:
            screen.note(message("{detail}", detail=one.detail))


def draw_app_removed(screen: Screen, removal: AppRemoval) -> None:
    """Given an app that is gone, say so."""
    screen.good(message("{app} is removed from {slave}", app=removal.name, slave=removal.slave.slave_id))


def draw_edit(screen: Screen, edit: AppEdit) -> None:
    """Given what an edit changed, show each field and what is left to do."""
    if not edit.edited.changes:
        screen.say(message("Nothing changes."))
        return
    rows: list[list[Text | str]] = [
        [change.field, _value(change.before), _value(change.after)] for change in edit.edited.changes
    ]
    screen.table([message("Field"), message("Before"), message("After")], rows, 2)
    screen.gap()
    if edit.is_dry_run:
        screen.note(message("Nothing was changed: this only shows what would be."))
    elif edit.edited.needs_restart:
        screen.warn(message("{app} still runs as before: restart it, or edit with --restart", app=edit.edited.app.name))
    else:
        screen.good(message("{app}: done", app=edit.edited.app.name))
        screen.draw(_status(screen, edit.edited.app), indent=2)


def since(moment: str | None, now: datetime) -> str:
    """Given a moment in ISO-8601 and the present one, return it short, in the zone of `now`. Pure."""
    try:
        local = datetime.fromisoformat(moment or "").astimezone(now.tzinfo)
    except (ValueError, OverflowError):
        return "-"
    if local.date() == now.date():
        return f"{local:%H:%M:%S}"
    return f"{local:%m-%d %H:%M}" if now - local < timedelta(days=300) else f"{local:%Y-%m-%d}"


def size(count: int | None) -> str:
    """Given bytes, return them short. Pure."""
    if count is None:
        return "-"
    if count >= 1024**3:
        return f"{count / 1024**3:.1f} GB"
    return f"{count / 1024**2:.1f} MB" if count < 10 * 1024**2 else f"{count / 1024**2:.0f} MB"


def _status(screen: Screen, app: AppStatus) -> Text:
    """An app's state and, where it ended badly, how."""
    parts: list[Any] = [state_word(screen, app.status)]
    if app.pid:
        parts.append((f"  PID {app.pid}", "note"))
    if app.status in (AppState.FAILED, AppState.CRASHED, AppState.RESTARTING):
        if app.signal:
            parts += ["  ", screen.text(message("signal {signal}", signal=app.signal), "note")]
        elif app.exit_code is not None:
            parts += ["  ", screen.text(message("exit code {code}", code=app.exit_code), "note")]
    return Text.assemble(*parts)


def _hidden(screen: Screen, names: Sequence[str]) -> Text:
    """The names of variables, whose values are secrets."""
    return Text.assemble(printable(", ".join(names)), " ", screen.text(message("(values hidden)"), "note"))


def _value(value: Any) -> str:
    """A configured value as text: lists with spaces, long ones cut."""
    if value is None or value == "":
        return "-"
    shown = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return shown if len(shown) <= LONGEST_VALUE else shown[:LONGEST_VALUE] + "..."
