"""What an agent's answers about apps must look like before the master believes them. Pure: documents in, values out.

Every function raises NotUnderstood for a document that no agent gives.
"""

from __future__ import annotations

import re
from typing import Any

from d8.app_models import (
    AppChange,
    AppDetail,
    AppEdited,
    AppPermission,
    AppState,
    AppStatus,
    FieldProblem,
    LogEnd,
    LogEntry,
    LogItem,
    LogSkipped,
    LogSuppressed,
)
from d8.fleet.answers import Json, NotUnderstood, document, needed, optional

LOWEST_PRIORITY = 7
MOMENT = re.compile(r"[0-9T:.+-]{10,40}Z?")  # ISO-8601, more strictly than fromisoformat, which takes any separator


def app_status(answer: Json) -> AppStatus:
    """Given the object of an app, return its status; a state that this master does not know is UNKNOWN."""
    return AppStatus(
        name=needed(answer, "name", str),
        kind=optional(answer, "kind", str) or "",
        user=optional(answer, "user", str) or "",
        unit=optional(answer, "unit", str) or "",
        status=_state(needed(answer, "status", str)),
        state=optional(answer, "state", str) or "",
        sub_state=optional(answer, "sub_state", str) or "",
        pid=optional(answer, "pid", int),
        cpu_percent=optional(answer, "cpu_percent", float),
        memory_bytes=optional(answer, "memory_bytes", int),
        restarts=optional(answer, "restarts", int) or 0,
        since=optional(answer, "since", str),
        enabled=bool(optional(answer, "enabled", bool)),
        exit_code=optional(answer, "exit_code", int),
        signal=_text(answer.get("signal")),
        result=optional(answer, "result", str) or "",
        port=optional(answer, "port", int),
        problem=optional(answer, "problem", str),
    )


def app_list(answer: Json) -> list[AppStatus]:
    """Given the answer about all apps, return them by name."""
    return sorted((app_status(one) for one in _objects(needed(answer, "apps", list))), key=lambda app: app.name)


def app_with_log(answer: Json) -> AppDetail:
    """Given the answer about one app's status, return it with the end of its journal."""
    return AppDetail(app_status(answer), {}, (), _texts(optional(answer, "log", list) or []))


def app_detail(answer: Json) -> AppDetail:
    """Given the answer about one app, return its status and configuration."""
    names = _texts(optional(answer, "environment_names", list) or [])
    exposure = optional(answer, "exposure", float)
    return AppDetail(app_status(needed(answer, "app", dict)), needed(answer, "config", dict), names, exposure=exposure)


def app_edited(answer: Json) -> AppEdited:
    """Given the answer to an edit, return what it changed."""
    return AppEdited(
        app_status(needed(answer, "app", dict)),
        tuple(
            AppChange(needed(one, "field", str), one.get("before"), one.get("after"))
            for one in _objects(needed(answer, "changes", list))
        ),
        bool(optional(answer, "restarted", bool)),
        bool(optional(answer, "needs_restart", bool)),
    )


def removed_name(answer: Json) -> str:
    """Given the answer to a removal, return the app's name."""
    return needed(answer, "removed", str)


def permissions(answer: Json) -> tuple[AppPermission, ...]:
    """Given the answer about rights, return each."""
    return tuple(
        AppPermission(
            needed(one, "name", str),
            needed(one, "granted", bool),
            optional(one, "detail", str) or "",
            optional(one, "command", str),
        )
        for one in _objects(needed(answer, "permissions", list))
    )


def field_problems(answer: Json) -> tuple[FieldProblem, ...]:
    """Given a refusal, return what it says about each field; nothing where it says none."""
    return tuple(
        FieldProblem(optional(one, "field", str) or "", needed(one, "message", str), optional(one, "hint", str) or "")
        for one in _objects(optional(answer, "problems", list) or [])
    )


def log_lines(answer: Json) -> tuple[str, ...]:
    """Given a refusal, return the last lines of the app's journal that came with it."""
    return _texts(optional(answer, "log", list) or [])


def log_page(answer: Json) -> list[LogItem]:
    """Given a page of a journal, return its items, oldest first."""
    return [item for one in _objects(needed(answer, "entries", list)) if (item := _item(one))]


def log_frame(frame: str | bytes) -> list[LogItem]:
    """Given a frame of a followed journal (a JSON array), return its items; kinds that are not known are left out."""
    text = frame if isinstance(frame, bytes) else frame.encode("utf-8", "replace")
    wrapped = document(b'{"items":' + text + b"}")  # the same checks as for every other answer
    return [item for one in _objects(needed(wrapped, "items", list)) if (item := _item(one))]


def _item(one: Json) -> LogItem | None:
    kind = optional(one, "type", str) or "entry"
    if kind == "entry":
        return _entry(one)
    if kind == "skipped":
        return LogSkipped(needed(one, "count", int))
    if kind == "suppressed":
        return LogSuppressed(needed(one, "message", str), optional(one, "time", str))
    if kind == "end":
        return LogEnd(optional(one, "reason", str) or "")
    return None


def _entry(one: Json) -> LogEntry:
    priority = optional(one, "priority", int)
    return LogEntry(
        cursor=needed(one, "cursor", str),
        time=_moment(needed(one, "time", str)),
        priority=min(max(priority, 0), LOWEST_PRIORITY) if priority is not None else LOWEST_PRIORITY - 1,
        message=optional(one, "message", str) or "",
        pid=optional(one, "pid", int),
    )


def _moment(text: str) -> str:
    if not MOMENT.fullmatch(text):
        raise NotUnderstood("not a moment")
    return text


def _state(word: str) -> AppState:
    return AppState(word) if word in set(AppState) else AppState.UNKNOWN


def _text(value: Any) -> str | None:
    """A signal may come by name or by number."""
    return None if value is None else str(value)


def _objects(values: list[Any]) -> list[Json]:
    if not all(isinstance(value, dict) for value in values):
        raise NotUnderstood("not a list of objects")
    return values


def _texts(values: list[Any]) -> tuple[str, ...]:
    """Lines; an entry of a journal stands for its message."""
    return tuple(str(value.get("message", "")) if isinstance(value, dict) else str(value) for value in values)
