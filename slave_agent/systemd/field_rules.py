"""The grammar of each field of an app: value in, what is wrong with it out. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import PurePosixPath
from typing import Any, Optional

from slave_agent.systemd.field_text import text_problem
from slave_agent.systemd.states import AppKind

USER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\Z")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
UNIT_NAME = re.compile(  # no template (x@.service) either: systemd can tell and start instances alone
    r"(?![^@]*@\.[a-z]+\Z)"
    r"[A-Za-z0-9][A-Za-z0-9:_.@-]{0,200}\.(service|socket|target|timer|mount|automount|path|device|swap|slice|scope)\Z"
)
NPM_SCRIPT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}\Z")
_PART = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
MODULE = re.compile(rf"{_PART}(\.{_PART}){{0,19}}\Z")
ATTRIBUTE = re.compile(rf"{_PART}(\.{_PART}){{0,19}}:{_PART}(\.{_PART}){{0,9}}\Z")
HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,62})?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62})?){0,9}\Z")

PATH_CHARACTERS = 1024
ARGUMENT_CHARACTERS = 4096
ARGUMENTS, ARGUMENTS_BYTES = 100, 32 * 1024
VARIABLES, ENVIRONMENT_BYTES = 200, 32 * 1024
TOLD_VARIABLES = 10  # of those that are wrong
DEPENDENCIES = 20
DESCRIPTION_CHARACTERS = 200
MEMORY_BYTES = (1024 * 1024, 2**50)
CPU_PERCENT = (1, 12800)
TASKS = (1, 1_000_000)
PORT = (1, 65535)
STABILISATION_SECONDS = (0, 30)
_SHELL_SIGNS = "\"'\\`$!"

Rule = Callable[[Any], Optional[str]]


def matching(pattern: re.Pattern[str], what: str) -> Rule:
    """Return the rule of a field that holds one word of a grammar; `what` says the grammar to people."""
    return lambda value: None if isinstance(value, str) and pattern.match(value) else f"not {what}"


def one_of(kind: type[Enum]) -> Rule:
    """Return the rule of a field that holds one of an enum's words."""
    words = [member.value for member in kind]
    return lambda value: None if isinstance(value, str) and value in words else f"not one of {', '.join(words)}"


def whole(limits: tuple[int, int]) -> Rule:
    """Return the rule of a field that holds a whole number between two limits."""
    least, most = limits

    def rule(value: Any) -> Optional[str]:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return None if is_number and least <= value <= most else f"not a whole number from {least} to {most}"

    return rule


def seconds(value: Any) -> Optional[str]:
    """Rule of a duration."""
    least, most = STABILISATION_SECONDS
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return None if is_number and least <= value <= most else f"not a number of seconds from {least} to {most}"


def path(value: Any) -> Optional[str]:
    """Rule of a path: absolute and as short as it can be written, so that it means one place to everybody."""
    if problem := text_problem(value, PATH_CHARACTERS):
        return problem
    if not value.startswith("/"):
        return "not an absolute path"
    if "\\" in value:
        return "holds a backslash, which no unit carries unchanged"
    if value != value.strip() or len(value.encode()) > PATH_CHARACTERS:
        return "ends in a blank, or is too long"
    if ".." in value.split("/") or value != str(PurePosixPath(value)) or value.startswith("//"):
        return "not the shortest form of a path (no `..`, no `.`, no double or last `/`)"
    return None


def program(value: Any) -> Optional[str]:
    """Rule of a program's path: systemd refuses quotes in it."""
    if problem := path(value):
        return problem
    return "holds a quote, which systemd refuses in a program's path" if "'" in value or '"' in value else None


def user(value: Any) -> Optional[str]:
    """Rule of a user's name. Never root: an app that needs no rights of root gets none."""
    if problem := matching(USER_NAME, "a user's name: letters, digits, `_`, `.` and `-`, 32 at most")(value):
        return problem
    return "no app runs as root" if value == "root" else None


def host(value: Any) -> Optional[str]:
    """Rule of the address that an app listens on."""
    try:
        ipaddress.ip_address(value if isinstance(value, str) and "%" not in value else "")
    except ValueError:
        return matching(HOST_NAME, "an IP address or a host's name")(value)
    return None


def description(value: Any) -> Optional[str]:
    """Rule of the description, which systemd takes as it stands."""
    if problem := text_problem(value, DESCRIPTION_CHARACTERS):
        return problem
    return "begins or ends in a blank, or ends in a backslash" if value != value.strip() or value[-1:] == "\\" else None


def arguments(value: Any) -> Optional[str]:
    """Rule of the list of arguments. Each is handed over as it stands, by nobody's shell."""
    if not isinstance(value, (list, tuple)) or len(value) > ARGUMENTS:
        return f"not a list of at most {ARGUMENTS} texts"
    for number, one in enumerate(value, 1):
        if problem := text_problem(one, ARGUMENT_CHARACTERS):
            return f"number {number}: {problem}"
    too_many = sum(len(one.encode()) + 1 for one in value) > ARGUMENTS_BYTES
    return f"more than {ARGUMENTS_BYTES} bytes together" if too_many else None


def npm_arguments(value: Sequence[str]) -> Optional[str]:
    """Rule of what npm hands to the shell that runs a script: some versions leave these signs to it."""
    bad = sorted({sign for one in value for sign in one if sign in _SHELL_SIGNS})
    return f"npm hands them to a shell, so they can't hold {' '.join(bad)}" if bad else None


def units(value: Any) -> Optional[str]:
    """Rule of a list of other units' names."""
    if not isinstance(value, (list, tuple)) or len(value) > DEPENDENCIES:
        return f"not a list of at most {DEPENDENCIES} units"
    bad = [one for one in value if not isinstance(one, str) or not UNIT_NAME.match(one)]
    if bad:
        return f"{str(bad[0])[:60]!a} is not a unit's name, such as postgresql.service"
    return "names a unit twice" if len(set(value)) != len(value) else None


def environment(value: Any) -> Optional[str]:
    """Rule of the environment. What is wrong is told by the variable's name, never by its value."""
    if not isinstance(value, Mapping) or len(value) > VARIABLES:
        return f"not an object of at most {VARIABLES} names and texts"
    problems = list(_variable_problems(value))
    if problems:
        return "; ".join(problems[:TOLD_VARIABLES])
    too_many = sum(len(name) + len(one.encode()) + 2 for name, one in value.items()) > ENVIRONMENT_BYTES
    return f"more than {ENVIRONMENT_BYTES} bytes together" if too_many else None


def _variable_problems(environment: Mapping[Any, Any]) -> Iterator[str]:
    for name, one in environment.items():
        if not isinstance(name, str) or not VARIABLE_NAME.match(name):
            yield f"{str(name)[:60]!a} is not a variable's name: letters, digits and `_`"
        elif problem := text_problem(one, ENVIRONMENT_BYTES, may_turn=True):
            yield f"{name}: {problem}"


SCRIPT_RULES: dict[AppKind, Rule] = {
    AppKind.NODE: path,
    AppKind.PYTHON: path,
    AppKind.NPM: matching(NPM_SCRIPT, "the name of an npm script"),
    AppKind.MODULE: matching(MODULE, "a module's name, such as package.module"),
    AppKind.FASTAPI: matching(ATTRIBUTE, "a module and its app, such as main:app"),
}


def any_script(value: Any) -> Optional[str]:
    """Rule of the script of an app whose kind is not known: text at least."""
    return text_problem(value, PATH_CHARACTERS)
