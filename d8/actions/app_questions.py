"""The questions about a new app, in their order: how each answer is read, and what is proposed. Pure."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from d8.actions.app_form import (
    VARIABLE,
    guessed_folder,
    guessed_kind,
    parse_cpu,
    parse_memory,
    parse_path,
    parse_port,
    parse_script,
    parse_user,
)
from d8.actions.apps import checked_name
from d8.app_models import AppKind, AppStatus
from d8.errors import UsageError
from d8.messages import Message, message

KINDS = tuple(kind.value for kind in AppKind)
RESTARTS = ("on-failure", "always", "no")
USUAL_PORT = "8000"


@dataclass
class Answers:
    """What was answered so far: as typed, and as the fields of a description. `users` are known there, best first."""

    users: tuple[str, ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict, repr=False)

    def checked_variable(self, name: str) -> str:
        """Given the name of a variable, or nothing, return it. Raises UsageError for one that no variable can have."""
        if not name or VARIABLE.fullmatch(name):
            return name
        raise UsageError("'{name}' is no name for a variable", "Letters, digits and _: DATABASE_URL.", name=name)


@dataclass(frozen=True)
class Question:
    """One question. `parse` reads an answer (None: leave the field out) and raises UsageError for a wrong one."""

    field: str
    label: Message
    text: Message
    parse: Callable[[str, Answers], Any]
    propose: Callable[[Answers], str] = lambda _answers: ""
    is_optional: bool = False

    def default(self, answers: Answers) -> str:
        """What was answered before, else what is proposed."""
        return answers.typed.get(self.field) or self.propose(answers)


def most_used(apps: Iterable[AppStatus]) -> tuple[str, ...]:
    """Given the apps of a slave, return the users that they run as, the most used first."""
    return tuple(user for user, _ in Counter(app.user for app in apps if app.user).most_common())


def description_of(answers: Answers) -> dict[str, Any]:
    """Given the answers, return the description that a slave is sent."""
    described = {name: value for name, value in answers.fields.items() if value is not None}
    return described | ({"environment": dict(answers.environment)} if answers.environment else {})


def _kind(text: str, answers: Answers) -> str:
    if text in KINDS:
        parse_script(AppKind(text), answers.typed.get("script", ""))
        return text
    raise UsageError("'{text}' is no kind of app", "One of {kinds}.", text=text, kinds=", ".join(KINDS))


def _proposed_kind(answers: Answers) -> str:
    guess = guessed_kind(answers.typed.get("script", ""))
    return guess.value if guess else ""


def _script(text: str, _answers: Answers) -> str:
    """The kind is asked after the script, from which it is guessed; whether they fit is looked at there."""
    return parse_script(guessed_kind(text) or AppKind.NPM, text)


def _folder(answers: Answers) -> str:
    return guessed_folder(answers.typed.get("script", "")) or f"/home/{answers.typed.get('user', '')}"


def _port(text: str, _answers: Answers) -> int | None:
    return parse_port(text) if text else None


def _restart(text: str, _answers: Answers) -> str:
    if text in RESTARTS:
        return text
    raise UsageError("'{text}' is no rule for restarts", "One of {rules}.", text=text, rules=", ".join(RESTARTS))


def _words(text: str, _answers: Answers) -> list[str] | None:
    try:
        return shlex.split(text) or None
    except ValueError as error:
        raise UsageError(
            "the quotes in '{text}' do not match", "As in a shell: --name 'two words'", text=text
        ) from error


QUESTIONS = (
    Question(
        "name", message("Name"), message("Name of the app (shop-api):"), lambda text, _answers: checked_name(text)
    ),
    Question(
        "script",
        message("Script"),
        message("Script (file, npm script, module or MODULE:ATTRIBUTE):"),
        _script,
    ),
    Question("kind", message("Kind"), message("Kind (node, npm, python, module, fastapi):"), _kind, _proposed_kind),
    Question(
        "user",
        message("User"),
        message("User of the slave that it runs as:"),
        lambda text, _answers: parse_user(text),
        lambda answers: next(iter(answers.users), ""),
    ),
    Question(
        "working_dir",
        message("Folder"),
        message("Folder on the slave that it runs in:"),
        lambda text, _answers: parse_path(text),
        _folder,
    ),
    Question(
        "port",
        message("Port"),
        message("Port that it listens on (empty: none is checked):"),
        _port,
        lambda answers: USUAL_PORT if answers.fields.get("kind") == AppKind.FASTAPI else "",
    ),
    Question(
        "memory_bytes",
        message("Memory"),
        message("Most memory (256M; empty: no limit):"),
        lambda text, _answers: parse_memory(text) if text else None,
        is_optional=True,
    ),
    Question(
        "cpu_percent",
        message("Processor"),
        message("Most of one processor (50%; empty: no limit):"),
        lambda text, _answers: parse_cpu(text) if text else None,
        is_optional=True,
    ),
    Question(
        "restart",
        message("Restarts"),
        message("When systemd starts it again (on-failure, always, no):"),
        _restart,
        lambda _answers: RESTARTS[0],
        is_optional=True,
    ),
    Question(
        "arguments",
        message("Arguments"),
        message("Arguments of the script (as in a shell; empty: none):"),
        _words,
        is_optional=True,
    ),
)
