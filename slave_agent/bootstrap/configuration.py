"""What the installer wrote into config.json, read once and checked as a whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from slave_agent.bootstrap.errors import ConfigurationError
from slave_agent.bootstrap.files import read_document

BOOTSTRAP_VERSION = "0.1.0"
DEFAULT_PORT = 7600
TOKEN_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class Configuration:
    """The settings of one bootstrap. The token itself is never here, only the SHA-256 of it."""

    folder: Path
    token_sha256: str
    installer_id: str
    bind: str
    port: int
    master: str
    tls: bool
    certificate: Path
    private_key: Path
    expires: datetime | None
    privilege: str
    language: str
    work_dir: Path
    commit: str | None

    @property
    def jobs_dir(self) -> Path:
        """Where the jobs are."""
        return self.folder / "jobs"

    @property
    def log_file(self) -> Path:
        """Where every command is logged."""
        return self.folder / "slave_server.log"

    @property
    def pid_file(self) -> Path:
        """Locked by the server as long as it runs."""
        return self.folder / "slave_server.pid"


def read_configuration(path: Path) -> Configuration:
    """Read the configuration file. Raises ConfigurationError, whose message lists everything that is wrong."""
    try:
        document = read_document(path)
    except (OSError, ValueError) as problem:
        raise ConfigurationError(f"{path} can't be read: {problem}.", "Run the install script again.") from problem
    if document is None:
        raise ConfigurationError(
            f"There is no configuration {path}.", "Run the install script, or name it with --config."
        )
    problems = configuration_problems(document)
    if problems:
        raise ConfigurationError(f"{path}: " + "; ".join(problems) + ".", "Run the install script again.")
    return configuration_of(document, path.resolve().parent)


def configuration_problems(document: dict[str, Any]) -> list[str]:
    """Given the JSON object, return what is wrong with it, one sentence a problem."""
    problems = []
    if not TOKEN_SHA256.match(str(document.get("token_sha256", ""))):
        problems.append("token_sha256 must be 64 hexadecimal digits")
    port = document.get("port", DEFAULT_PORT)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
        problems.append("port must be a number up to 65535")
    if document.get("privilege", "auto") not in ("auto", "none"):
        problems.append("privilege must be auto or none")
    if document.get("language", "es") not in ("es", "en"):
        problems.append("language must be es or en")
    if not isinstance(document.get("tls", True), bool):
        problems.append("tls must be true or false")
    try:
        parse_expiry(document.get("expires"))
    except (TypeError, ValueError):
        problems.append("expires must be an ISO-8601 time or null")
    return problems


def parse_expiry(value: str | None) -> datetime | None:
    """Given an ISO-8601 time (UTC unless it says otherwise) or None, return when that is."""
    if value is None:
        return None
    when = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return when if when.tzinfo else when.replace(tzinfo=timezone.utc)


def configuration_of(document: dict[str, Any], folder: Path) -> Configuration:
    """Given a valid document and the folder it lies in, which relative paths start from, return the settings."""
    return Configuration(
        folder=folder,
        token_sha256=document["token_sha256"],
        installer_id=str(document.get("installer_id", "")),
        bind=str(document.get("bind") or "0.0.0.0"),
        port=document.get("port", DEFAULT_PORT),
        master=str(document.get("master", "")),
        tls=document.get("tls", True),
        certificate=folder / (document.get("certificate") or "server.crt"),
        private_key=folder / (document.get("private_key") or "server.key"),
        expires=parse_expiry(document.get("expires")),
        privilege=document.get("privilege", "auto"),
        language=document.get("language", "es"),
        work_dir=folder / document.get("work_dir", "work"),
        commit=document.get("commit"),
    )
