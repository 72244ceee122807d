"""The master's data: frozen, without behaviour beyond what follows from the fields. No input or output here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from d8.errors import ExitCode
from d8.messages import Message


class CredentialKind(StrEnum):
    """Which server presents a certificate, and so which token it may be sent."""

    INSTALLER = "installer"
    AGENT = "agent"
    RESCUE = "rescue"


class BuildStatus(StrEnum):
    """How a build stands; `running` is what a killed master leaves in the log, `detached` one that was sent away."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DETACHED = "detached"


class CommandState(StrEnum):
    """Where a command in a log stands; the names are those of its job on the slave."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    LOST = "lost"
    UNKNOWN = "unknown"


class StrategyName(StrEnum):
    """The ways to install the agent, in the order in which they are tried."""

    DOCKER = "docker"
    VENV = "venv"
    NATIVE = "native"


class Scope(StrEnum):
    """Who keeps the agent alive on the slave, best first."""

    SYSTEM = "system"
    USER = "user"
    CRON = "cron"
    NOHUP = "nohup"


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, both PEM text."""

    certificate: str
    private_key: str = field(repr=False)


@dataclass(frozen=True)
class Credential:
    """One server certificate as the master knows it: SHA-256 of its DER in hex, and the token that goes with it.

    `expires` ends the token; `ends` is when the certificate does, and `authority` the fingerprint of what signed it.
    `next_token` is one that was sent to replace the token: the slave may know it already.
    """

    kind: CredentialKind
    fingerprint: str
    token: str = field(repr=False)
    slave_id: str | None = None
    expires: datetime | None = None
    authority: str | None = None
    ends: datetime | None = None
    next_token: str | None = field(default=None, repr=False)


class TokenScope(StrEnum):
    """How far a token reaches that is granted to somebody else; each scope has the rights of those before it."""

    READ = "read"
    OPERATE = "operate"
    EXECUTE = "execute"
    MANAGE = "manage"


class PendingKind(StrEnum):
    """What the master owes to a slave until it has acknowledged it, by weight."""

    ROTATE = "rotate"
    REVOKE = "revoke"
    REMOVE = "remove"

    @property
    def weight(self) -> int:
        """Which of two outweighs the other."""
        return list(PendingKind).index(self)


@dataclass(frozen=True)
class Installer:
    """Everything an install script carries, and what the master remembers of it (key pair excepted)."""

    installer_id: str
    token: str = field(repr=False)
    key_pair: KeyPair
    fingerprint: str
    pin: str
    created: datetime
    expires: datetime
    master_address: str
    port: int
    tls: bool = True
    bind: str = "0.0.0.0"
    privilege: str = "auto"
    language: str = "es"


@dataclass(frozen=True)
class Slave:
    """A registered machine. `address` is what the master connects to; `machine_id` is who it is."""

    slave_id: str
    address: str
    port: int
    machine_id: str
    hostname: str
    commit: str
    strategy: StrategyName
    scope: Scope
    survives_reboot: bool
    registered: datetime
    tls: bool = True
    persistence_command: str | None = None


@dataclass(frozen=True)
class PendingTrust:
    """Something owed to a slave, as it was registered then; `reason` is why the last try failed."""

    slave: Slave
    kind: PendingKind
    since: datetime
    tries: int = 0
    last_try: datetime | None = None
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON answers show it; moments are ISO-8601 in UTC."""
        return {
            "slave_id": self.slave.slave_id,
            "address": self.slave.address,
            "kind": self.kind.value,
            "since": self.since.isoformat(),
            "tries": self.tries,
            "last_try": self.last_try.isoformat() if self.last_try else None,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class CommandResult:
    """The outcome of one remote command. A non-zero exit is data; `command` is already masked."""

    command: str
    success: bool
    stdout: str
    stderr: str
    exit_code: int | None
    timestamp: datetime
    duration_seconds: float = 0.0
    job_id: str = ""
    timed_out: bool = False


class RequestStatus(StrEnum):
    """Where a request to a person stands: not yet told by Telegram, told, dealt with."""

    PENDING = "pending"
    SENT = "sent"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class Priority(StrEnum):
    """How soon somebody should look."""

    HIGH = "high"
    NORMAL = "normal"
    UNKNOWN = "unknown"


class Category(StrEnum):
    """What a request is about."""

    INFRASTRUCTURE = "infrastructure"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class StrategyFailure:
    """Why one strategy led to no agent. `output` is the end of what its last command printed, masked."""

    strategy: StrategyName
    reason: Message
    hint: Message
    was_tried: bool
    output: str = field(default="", repr=False)


@dataclass(frozen=True)
class Diagnosis:
    """The likely cause of a failed build, what to do, and the section of docs/troubleshooting.md about it."""

    cause: Message
    advice: Message
    anchor: str

    @property
    def doc(self) -> str:
        """Where to read on."""
        return f"docs/troubleshooting.md#{self.anchor}"

    def as_json(self) -> dict[str, str]:
        """Return the diagnosis as it stands in logs and JSON: in English."""
        return {"cause": str(self.cause), "advice": str(self.advice), "doc": self.doc}


@dataclass(frozen=True)
class HumanRequest:
    """Something that only a person can mend. `id` is 0 until it is stored; texts are masked and in the operator's
    language; `failures` counts how often it happened; `reason` says why Telegram was not told yet."""

    slave_id: str
    title: str
    description: str
    cause: str
    log_file: Path
    created: datetime
    updated: datetime
    id: int = 0
    priority: Priority = Priority.HIGH
    category: Category = Category.INFRASTRUCTURE
    status: RequestStatus = RequestStatus.PENDING
    failures: int = 1
    notified: datetime | None = None
    reason: str | None = None
    next_try: datetime | None = None
    closed: datetime | None = None
    closed_by: str | None = None

    def is_being_sent(self, now: datetime) -> bool:
        """Given the moment, return whether somebody has reserved the delivery and is at it."""
        is_reserved = self.reason is None and self.next_try is not None and self.next_try > now
        return self.status is RequestStatus.PENDING and is_reserved

    def as_json(self) -> dict[str, Any]:
        """Return the request as `requests --json` shows it; moments are ISO-8601 in UTC."""
        moments = ("created", "updated", "notified", "next_try", "closed")
        shown = {name: value.isoformat() if (value := getattr(self, name)) else None for name in moments}
        return {**self.__dict__, **shown, "log_file": str(self.log_file)}


@dataclass(frozen=True)
class BuildReport:
    """How a build ended. `document` is the build log's object, masked, as it stands in `log_file`."""

    slave_id: str
    slave_host: str
    status: BuildStatus
    exit_code: ExitCode
    log_file: Path
    document: dict[str, Any] = field(repr=False)
    strategy: StrategyName | None = None
    error: Message | None = None
    hint: Message | None = None
    slave: Slave | None = None
    failures: tuple[StrategyFailure, ...] = ()
    diagnosis: Diagnosis | None = None
    request: HumanRequest | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the build log's object."""
        return self.document
