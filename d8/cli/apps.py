"""The commands `apps`, `app` and `logs`: what they ask the slave and how they answer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

from d8.actions.app_form import (
    collected,
    environment_of,
    guessed_folder,
    guessed_kind,
    parse_cpu,
    parse_memory,
    parse_path,
    parse_script,
)
from d8.actions.apps import control_app, edit_app, list_apps, register_app, remove_app, show_app
from d8.actions.logs import FollowedItem, LinkBack, LinkLost, follow_logs, read_logs
from d8.actions.watch import watch_apps
from d8.app_models import NONE, AppKind, AppVerb, LogFilter, log_item_as_json
from d8.cli.run import Run
from d8.errors import Cancelled, ExitCode, UsageError
from d8.menu.views.apps import at_work, draw_app, draw_app_removed, draw_apps, draw_edit, draw_registered, draw_result
from d8.menu.views.apps_watch import AppsWatch
from d8.menu.views.logs import LogView
from d8.messages import message

SWITCHES = ("restart_now", "dry_run")
FIELDS = {"memory": "memory_bytes", "cpu": "cpu_percent", "env": "environment"}
WITHDRAWABLE = ("interpreter", "host", "port", "memory", "cpu", "tasks")
PLAIN_FIELDS = (
    "script",
    "user",
    "interpreter",
    "host",
    "port",
    "restart",
    "tasks",
    "hardening",
    "description",
    "stabilisation_seconds",
)


def answer_apps(run: Run, slave: str, is_watching: bool) -> ExitCode:
    """Given a slave, show its apps; watching, again and again until Ctrl+C (with --json one object a line)."""
    if not is_watching:
        found = list_apps(run.workplace, slave)
        run.answer(found.as_json(), lambda screen: draw_apps(screen, found))
        return ExitCode.DONE
    if run.wants_json:
        return _until_stopped(lambda: watch_apps(run.workplace, slave, lambda found, _: _print(found.as_json())))
    with AppsWatch(run.screen) as watch:
        return _until_stopped(lambda: watch_apps(run.workplace, slave, watch))


def answer_status(run: Run, slave: str, name: str) -> ExitCode:
    """Given a slave and an app, show everything that is known of it."""
    shown = show_app(run.workplace, slave, name)
    run.answer(shown.as_json(), lambda screen: draw_app(screen, shown))
    return ExitCode.DONE


def answer_verb(run: Run, slave: str, verb: AppVerb, name: str) -> ExitCode:
    """Given a slave, a verb and an app, do it."""
    with run.waiting(at_work(slave, name)):
        result = control_app(run.workplace, slave, verb, name)
    run.answer(result.as_json(), lambda screen: draw_result(screen, result, verb))
    return ExitCode.DONE


def answer_remove(run: Run, slave: str, name: str) -> ExitCode:
    """Given a slave and an app, remove it after a question."""
    question = message(
        "Remove the app {app} from {slave}?", app=name, slave=run.workplace.registry.slave(slave).slave_id
    )
    if not run.confirmed(question):
        raise Cancelled("Nothing was done.")
    with run.waiting(at_work(slave, name)):
        removal = remove_app(run.workplace, slave, name)
    run.answer(removal.as_json(), lambda screen: draw_app_removed(screen, removal))
    return ExitCode.DONE


def answer_register(run: Run, slave: str, options: dict[str, Any]) -> ExitCode:
    """Given a slave and the options of `register`, install the app there and start it."""
    script = options["script"]
    kind = AppKind(options["kind"]) if options["kind"] else guessed_kind(script)
    if kind is None:
        kinds = ", ".join(kind.value for kind in AppKind)
        raise UsageError(
            "'{script}' does not tell the kind of the app", "Add --kind: {kinds}.", script=script, kinds=kinds
        )
    folder = options["working_dir"] or guessed_folder(script)
    if folder is None:
        raise UsageError(
            "'{script}' does not tell the folder that the app runs in", "Add --working-dir FOLDER.", script=script
        )
    document = {"name": options["name"], "kind": kind.value, **_fields({**options, "working_dir": folder}, kind)}
    with run.waiting(at_work(slave, options["name"])):
        result = register_app(run.workplace, slave, document)
    run.answer(result.as_json(), lambda screen: draw_registered(screen, result))
    return ExitCode.DONE


def answer_edit(run: Run, slave: str, name: str, options: dict[str, Any]) -> ExitCode:
    """Given a slave, an app and the options of `edit`, change it."""
    fields = _fields(options, None)
    if not fields:
        raise UsageError("edit got nothing to change", "start_d8.py app SLAVE edit --help lists what can be changed.")
    document = {**fields, **{switch: True for switch in SWITCHES if options[switch]}}
    with run.waiting(at_work(slave, name)):
        edit = edit_app(run.workplace, slave, name, document)
    run.answer(edit.as_json(), lambda screen: draw_edit(screen, edit))
    return ExitCode.DONE


def answer_logs(run: Run, slave: str, name: str, wanted: LogFilter, follows: bool) -> ExitCode:
    """Given a slave, an app and which entries are wanted, show them; following, until Ctrl+C (--json: one a line)."""
    if not follows:
        found, items = read_logs(run.workplace, slave, name, wanted)
        document = {"slave_id": found.slave_id, "app": name, "entries": [log_item_as_json(one) for one in items]}
        run.answer(document, lambda screen: LogView(screen, run.error_screen, name)(items))
        return ExitCode.DONE
    if run.wants_json:
        return _until_stopped(lambda: follow_logs(run.workplace, slave, name, wanted, _print_items))
    view = LogView(run.screen, run.error_screen, name)
    code = _until_stopped(lambda: follow_logs(run.workplace, slave, name, wanted, view))
    view.close()
    return code


def _fields(options: dict[str, Any], kind: AppKind | None) -> dict[str, Any]:
    """Given the options, and the kind of an app that is new, return the fields of a description that were given; those
    that are taken away from an app that is there are null or empty. Raises UsageError with every problem.
    """

    def parsed(name: str, parse: Callable[[str], Any]) -> Callable[[], Any]:
        return lambda: parse(options[name]) if options[name] not in (None, NONE) else None

    def words(name: str) -> list[str] | None:
        return list(options[name]) if options[name] not in ((), (NONE,)) else None

    def environment() -> dict[str, str | None] | None:
        found: dict[str, str | None] = dict(environment_of(options["env"], options["env_file"]))
        return (found | dict.fromkeys(options.get("unset", ()))) or None

    parts: dict[str, Callable[[], Any]] = {
        "working_dir": parsed("working_dir", parse_path),
        "memory": parsed("memory", parse_memory),
        "cpu": parsed("cpu", parse_cpu),
        "env": environment,
        "arguments": lambda: list(options["arg"]) or None,
        "after": lambda: words("after"),
        "wants": lambda: words("wants"),
    }
    if kind is not None:
        parts["script"] = lambda: parse_script(kind, options["script"])
    found = {FIELDS.get(name, name): value for name, value in collected(parts).items()}
    plain = {name: options[name] for name in PLAIN_FIELDS if options.get(name) not in (None, NONE)}
    return plain | found | (_withdrawn(options) if kind is None else {})


def _withdrawn(options: dict[str, Any]) -> dict[str, Any]:
    """Given the options of an edit, return the fields that it takes away."""
    fields: dict[str, Any] = {FIELDS.get(name, name): None for name in WITHDRAWABLE if options[name] == NONE}
    fields |= {name: [] for name in ("after", "wants") if options[name] == (NONE,)}
    return fields | ({"arguments": []} if options["no_args"] else {})


def _until_stopped(work: Callable[[], None]) -> ExitCode:
    """Work that only Ctrl+C ends, or a polite signal: then all is well."""
    try:
        work()
    except KeyboardInterrupt:
        pass
    return ExitCode.DONE


def _print_items(items: Sequence[FollowedItem]) -> None:
    _print(*map(_item_as_json, items))


def _item_as_json(item: FollowedItem) -> dict[str, Any]:
    if isinstance(item, LinkLost):
        return {"type": "disconnected", "reason": str(item.reason), "next_attempt_seconds": item.pause_seconds}
    return {"type": "connected"} if isinstance(item, LinkBack) else log_item_as_json(item)


def _print(*documents: dict[str, Any]) -> None:
    sys.stdout.write("".join(json.dumps(document, ensure_ascii=True) + "\n" for document in documents))
    sys.stdout.flush()
