"""The apps of a slave as its agent tells of them: states, journal entries, filters. Frozen; nothing is read here."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from typing import Any

NONE = "none"  # what takes a limit, or another field that an app may do without, away again


class AppState(StrEnum):
    """How an app is, from its process and its service together; `zombie` is a process without its service."""

    RUNNING = "running"
    CRASHED = "crashed"
    FAILED = "failed"
    ZOMBIE = "zombie"
    STOPPED = "stopped"
    STARTING = "starting"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    UNKNOWN = "unknown"


NEEDS_ATTENTION = frozenset({AppState.CRASHED, AppState.FAILED, AppState.ZOMBIE})


class AppKind(StrEnum):
    """What an app is made of; `script` means something else for each."""

    NODE = "node"
    NPM = "npm"
    PYTHON = "python"
    MODULE = "module"
    FASTAPI = "fastapi"


class AppVerb(StrEnum):
    """What can be done with a registered app without changing it."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    ENABLE = "enable"
    DISABLE = "disable"


class LogPriority(IntEnum):
    """journald's priorities: the lower, the worse."""

    EMERG = 0
    ALERT = 1
    CRIT = 2
    ERR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


@dataclass(frozen=True)
class AppStatus:
    """One app as it is now. Sizes in bytes, `since` as ISO-8601 in UTC; `problem` says where record and host differ."""

    name: str
    kind: str
    user: str
    unit: str
    status: AppState
    state: str
    sub_state: str
    pid: int | None
    cpu_percent: float | None
    memory_bytes: int | None
    restarts: int
    since: str | None
    enabled: bool
    exit_code: int | None
    signal: str | None
    result: str
    port: int | None
    problem: str | None

    def as_json(self) -> dict[str, Any]:
        """Return the object that stands in JSON answers."""
        return asdict(self)


@dataclass(frozen=True)
class AppDetail:
    """An app with its configuration; of its environment only the names are known. `log` is the end of its journal.
    `exposure` is how much of the machine it reaches by `systemd-analyze security`, 0 to 10; None: not told.
    """

    app: AppStatus
    config: dict[str, Any]
    environment_names: tuple[str, ...]
    log: tuple[str, ...] = ()
    exposure: float | None = None


@dataclass(frozen=True)
class AppChange:
    """What an edit changes in one field; of an environment only names are told."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class AppEdited:
    """What an edit did: `needs_restart` says that the app still runs as it was."""

    app: AppStatus
    changes: tuple[AppChange, ...]
    restarted: bool
    needs_restart: bool


@dataclass(frozen=True)
class FieldProblem:
    """What is wrong with one field of an app's description, in the slave's words, and what would be right."""

    field: str
    message: str
    hint: str


@dataclass(frozen=True)
class AppPermission:
    """Something that managing apps needs on a slave, in the slave's words; `command` is what to run there to get it."""

    name: str
    is_granted: bool
    detail: str
    command: str | None


@dataclass(frozen=True)
class LogEntry:
    """One entry of an app's journal; `cursor` is where it stands, `time` ISO-8601 in UTC."""

    cursor: str
    time: str
    priority: int
    message: str
    pid: int | None


@dataclass(frozen=True)
class LogSkipped:
    """Entries that the slave left out because this side was too slow."""

    count: int


@dataclass(frozen=True)
class LogSuppressed:
    """Entries that journald itself dropped, in its own words."""

    message: str
    time: str | None


@dataclass(frozen=True)
class LogEnd:
    """The slave ended the stream, and says why."""

    reason: str


LogItem = LogEntry | LogSkipped | LogSuppressed | LogEnd
KINDS_OF_ITEMS = {LogEntry: "entry", LogSkipped: "skipped", LogSuppressed: "suppressed", LogEnd: "end"}


def log_item_as_json(item: LogItem) -> dict[str, Any]:
    """Given an item of a journal, return its object, in the form in which the agent sends it."""
    return {"type": KINDS_OF_ITEMS[type(item)], **asdict(item)}


@dataclass(frozen=True)
class LogFilter:
    """Which entries are wanted: how many old ones, from and to when, how bad at least, with which text, after which."""

    lines: int = 100
    since: str | None = None
    until: str | None = None
    priority: LogPriority | None = None
    grep: str | None = None
    cursor: str | None = None

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the URL; what is not set is left out."""
        priority = str(int(self.priority)) if self.priority is not None else None
        wanted = {"lines": str(self.lines), "since": self.since, "until": self.until, "priority": priority}
        wanted |= {"grep": self.grep, "cursor": self.cursor}
        return {name: value for name, value in wanted.items() if value is not None}
