"""agent.json → one frozen AgentSettings, every problem told at once. Credentials live elsewhere: nothing here is
secret.
"""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slave_agent.errors import SettingsError
from slave_agent.models import AgentSettings
from slave_agent.states import Scope

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_SLAVE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_HOST = re.compile(r"[A-Za-z0-9._:-]{1,253}\Z")

_Check = Callable[[Any], str | None]


def _text(pattern: re.Pattern[str], wanted: str) -> _Check:
    return lambda value: None if isinstance(value, str) and pattern.match(value) else wanted


def _optional(check: _Check) -> _Check:
    return lambda value: None if value is None else check(value)


def _boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _port(value: Any) -> str | None:
    return (
        None if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535 else "a port, 1 to 65535"
    )


def _absolute_path(value: Any) -> str | None:
    return None if isinstance(value, str) and value.startswith("/") and "\0" not in value else "an absolute path"


def _any_text(value: Any) -> str | None:
    return None if isinstance(value, str) else "a text"


def _scope(value: Any) -> str | None:
    return None if value in list(Scope) else "one of " + ", ".join(Scope)


def _language(value: Any) -> str | None:
    return None if value in ("es", "en") else "es or en"


def _seconds(value: Any) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return None if is_number and 0.1 <= value <= 3600 else "seconds, 0.1 to 3600"


def _hosts(value: Any) -> str | None:
    is_list_of_names = isinstance(value, list) and all(isinstance(name, str) and _HOST.match(name) for name in value)
    return None if is_list_of_names else "a list of host names"


_FIELDS: dict[str, _Check] = {
    "slave_id": _text(_SLAVE_ID, "a name of letters, digits, dot, dash and underscore"),
    "bind": _text(_HOST, "an address to listen on"),
    "port": _port,
    "tls": _boolean,
    "state_dir": _absolute_path,
    "commit": _optional(_text(_COMMIT, "a commit of 40 hexadecimal digits, or null")),
    "branch": _optional(_any_text),
    "release_dir": _absolute_path,
    "scope": _scope,
    "allowed_hosts": _hosts,
    "helper_socket": _optional(_absolute_path),
    "survives_reboot": _boolean,
    "persistence_command": _optional(_any_text),
    "language": _language,
    "watch_seconds": _seconds,
}
_DEFAULTS: dict[str, Any] = {
    "branch": None,
    "allowed_hosts": [],
    "helper_socket": None,
    "persistence_command": None,
    "language": "es",
    "watch_seconds": 10.0,
}


def problems_in(document: Any) -> list[str]:
    """Given what agent.json held, return every problem in it as a sentence; an empty list means that it can be used."""
    if not isinstance(document, dict):
        return ["it must hold one JSON object"]
    problems = [f"unknown setting {name!r}" for name in sorted(document.keys() - _FIELDS.keys())]
    for name, check in _FIELDS.items():
        if name not in document:
            if name not in _DEFAULTS:
                problems.append(f"{name} is missing")
        elif (wanted := check(document[name])) is not None:
            problems.append(f"{name} must be {wanted}, not {document[name]!r}")
    return problems


def settings_from(document: dict[str, Any]) -> AgentSettings:
    """Given a document without problems, return the settings."""
    values = _DEFAULTS | document
    return AgentSettings(
        slave_id=values["slave_id"],
        bind=values["bind"],
        port=values["port"],
        tls=values["tls"],
        state_dir=Path(values["state_dir"]),
        commit=values["commit"],
        branch=values["branch"],
        release_dir=Path(values["release_dir"]),
        scope=Scope(values["scope"]),
        allowed_hosts=tuple(values["allowed_hosts"]),
        helper_socket=Path(values["helper_socket"]) if values["helper_socket"] else None,
        survives_reboot=values["survives_reboot"],
        persistence_command=values["persistence_command"],
        language=values["language"],
        watch_seconds=float(values["watch_seconds"]),
    )


def load_settings(path: Path) -> AgentSettings:
    """Given the path of agent.json, return its settings. Raises SettingsError with all problems, one a line.

    The file must not be writable by group or others: whoever writes it chooses where the agent looks for its keys.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"the settings file {path} can't be read: {error}", "Build this slave again.") from error
    problems = problems_in(document)
    if mode & 0o022:
        problems.append(f"mode {mode:04o} lets others write it (chmod go-w {path})")
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise SettingsError(f"the settings file {path} can't be used:\n{listed}", "Mend it, or build this slave again.")
    return settings_from(document)
