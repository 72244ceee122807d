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
    """How a build stands; `running` is what a killed master leaves in the log."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"


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
    """One server certificate as the master knows it: SHA-256 of its DER in hex, and the token that goes with it."""

    kind: CredentialKind
    fingerprint: str
    token: str = field(repr=False)
    slave_id: str | None = None
    expires: datetime | None = None


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

    def as_json(self) -> dict[str, Any]:
        """Return the build log's object."""
        return self.document
