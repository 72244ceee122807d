"""The processes that somebody chose to have watched: what may be chosen (pure), and where the choice is kept."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from slave_agent.durable_files import write_atomically
from slave_agent.errors import AgentError
from slave_agent.monitor.detection import DetectedProcess

CHOSEN_AT_MOST = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,63}\Z")
_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9:_.@-]{0,240}\.service\Z")
_TEMPLATE = re.compile(r"[^@]*@\.service\Z")  # systemd has nothing to tell of one, and then tells nothing of the others
_MATCH_CHARACTERS = 400
_NOT_WRITTEN = "Look at the disk of this slave."


@dataclass(frozen=True)
class Monitored:
    """One choice. `match` is what its command line or working folder has as a word or part of a path; `unit` the
    service that is compared with it.
    """

    name: str
    match: str
    unit: str


def monitored_from(document: Any) -> tuple[tuple[Monitored, ...], list[str]]:
    """Given the list that a client sent, return the choices and every problem in it. An entry is a name, or an object
    with `name` and, if they differ from the name, `match` and `unit`.
    """
    if not isinstance(document, list):
        return (), ["monitored must be a list"]
    problems = [] if len(document) <= CHOSEN_AT_MOST else [f"monitored has more than {CHOSEN_AT_MOST} entries"]
    chosen = []
    for index, entry in enumerate(document[:CHOSEN_AT_MOST]):
        fields = {"name": entry} if isinstance(entry, str) else entry
        wrong = _problems_of(fields)
        problems += [f"monitored[{index}] {problem}" for problem in wrong]
        if not wrong:
            name = fields["name"]
            chosen.append(Monitored(name, fields.get("match") or name, fields.get("unit") or f"{name}.service"))
    names = [one.name for one in chosen]
    problems += [f"monitored names {name} twice" for name in sorted({one for one in names if names.count(one) > 1})]
    return tuple(chosen), problems


def _problems_of(fields: Any) -> list[str]:
    if not isinstance(fields, dict):
        return ["must be a name or an object"]
    problems = [f"has an unknown field {str(key)[:60]!r}" for key in fields.keys() - {"name", "match", "unit"}]
    if not isinstance(fields.get("name"), str) or not _NAME.match(fields["name"]):
        problems.append("needs a name of letters, digits and @._-, at most 64")
    match = fields.get("match")
    if match is not None and not (
        isinstance(match, str) and 0 < len(match) <= _MATCH_CHARACTERS and match.isprintable()
    ):
        problems.append(f"match must be a printable text of at most {_MATCH_CHARACTERS} characters")
    unit = fields.get("unit")
    if unit is not None and not (isinstance(unit, str) and _UNIT.match(unit)):
        problems.append("unit must be the name of a service, like shop.service")
    elif _TEMPLATE.match(unit or f"{fields.get('name')}.service"):
        problems.append("unit must not be a template: name an instance, like postgresql@15-main.service")
    return problems


def find_process(chosen: Monitored, processes: Iterable[DetectedProcess]) -> DetectedProcess | None:
    """Given a choice, return the first process that it means, None where there is none. Pure."""
    return next((one for one in processes if one.unit == chosen.unit or _is_meant(chosen.match, one)), None)


def _is_meant(match: str, process: DetectedProcess) -> bool:
    """A word of the command line, or a part of a path in it or of the working folder, with or without its ending."""
    if match in process.command_line or match in " ".join(process.command_line).split() or match == process.name:
        return True
    if "/" in match or " " in match:
        return match in " ".join(process.command_line) or match == process.working_dir
    paths = [PurePosixPath(word) for word in process.command_line if "/" in word or "." in word]
    paths += [PurePosixPath(process.working_dir)] if process.working_dir else []
    return any(match in (*path.parts, path.stem) for path in paths)


class MonitoredStore:
    """Given the agent's state folder, keeps the choice in it."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "monitored.json"
        self._lock = threading.Lock()
        self._chosen = self._read()

    @property
    def chosen(self) -> tuple[Monitored, ...]:
        """The choice in force."""
        return self._chosen

    def choose(self, chosen: tuple[Monitored, ...]) -> None:
        """Given a choice, keep it instead of the former. Raises AgentError, and then nothing has changed."""
        with self._lock:
            try:
                write_atomically(self._path, json.dumps([asdict(one) for one in chosen], indent=2).encode())
            except OSError as error:
                raise AgentError(f"the choice can't be written: {error}", _NOT_WRITTEN) from error
            self._chosen = chosen

    def _read(self) -> tuple[Monitored, ...]:
        try:
            return monitored_from(json.loads(self._path.read_text(encoding="utf-8")))[0]
        except (OSError, ValueError):
            return ()
