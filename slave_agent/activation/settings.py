"""What `install` is told on stdin, checked as a whole: every problem is named at once. No files are read here."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slave_agent.activation.errors import ActivationError
from slave_agent.activation.states import Scope

COMMIT = re.compile(r"[0-9a-f]{40}\Z")
SHA256 = re.compile(r"[0-9a-f]{64}\Z")
SLAVE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
USER = re.compile(r"[a-z_][a-z0-9_.-]{0,63}\Z", re.IGNORECASE)
BIND = re.compile(r"[0-9A-Fa-f:.]{2,45}\Z")
RELEASE_KEY = re.compile(r"[A-Za-z0-9+/]{43}=\Z")
HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}\Z")


@dataclass(frozen=True)
class CredentialText:
    """A credential as it travels: the token's hash and both PEM texts (null where TLS is off)."""

    token_sha256: str
    certificate: str | None
    private_key: str | None = field(repr=False)


@dataclass(frozen=True)
class BootstrapSource:
    """The bootstrap that runs now: whose it is, where config and server lie, its process if it is a plain one."""

    user: str
    config: Path
    server: Path
    pid: int | None


@dataclass(frozen=True)
class InstallSettings:
    """Everything `install` needs. Times are seconds. `scope` None means: choose the best one of this host.

    Without `bootstrap` (and then without `rescue`) what runs now stays until the handover: the former release, with the
    bootstrap that may be beside it, or nothing at all.
    """

    scope: Scope | None
    port: int
    bind: str
    slave_id: str
    tls: bool
    release: Path
    commit: str
    branch: str | None
    bootstrap: BootstrapSource | None
    rescue: CredentialText | None
    credential: CredentialText | None
    confirm_timeout_seconds: float
    step_delay_seconds: float
    allowed_hosts: tuple[str, ...]
    app_users: tuple[str, ...]
    language: str
    release_key: str | None = None


class _Reader:
    """Takes fields out of one JSON object and remembers every problem it meets."""

    def __init__(self, values: dict[str, Any], problems: list[str], prefix: str = "") -> None:
        self.values, self.problems, self.prefix = dict(values), problems, prefix

    def text(self, name: str, pattern: re.Pattern[str] | None = None, default: str | None = None) -> str:
        value = self.values.pop(name, default)
        if not isinstance(value, str) or not value or "\0" in value or (pattern and not pattern.match(value)):
            self.problems.append(f"{self.prefix}{name}: {'missing' if value is None else 'not acceptable'}")
            return ""
        return value

    def number(self, name: str, low: float, high: float, default: float | None = None) -> float:
        value = self.values.pop(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            self.problems.append(f"{self.prefix}{name}: must be a number from {low:g} to {high:g}")
            return low
        return value

    def path(self, name: str) -> Path:
        value = Path(self.text(name) or "/")
        if not value.is_absolute():
            self.problems.append(f"{self.prefix}{name}: must be an absolute path")
        return value

    def table(self, name: str) -> _Reader:
        value = self.values.pop(name, None)
        if not isinstance(value, dict):
            self.problems.append(f"{self.prefix}{name}: must be an object")
            value = {}
        return _Reader(value, self.problems, f"{self.prefix}{name}.")

    def end(self) -> None:
        self.problems.extend(f"{self.prefix}{name}: unknown" for name in sorted(self.values))


def parse_install_settings(document: str) -> InstallSettings:
    """Given the JSON text of `install`, return its settings. Raises ActivationError that lists every problem."""
    try:
        values = json.loads(document)
    except ValueError as problem:
        raise ActivationError(f"The settings on stdin are not JSON: {problem}", "Send one JSON object.") from problem
    if not isinstance(values, dict):
        raise ActivationError("The settings on stdin are not a JSON object.", "Send one JSON object.")
    problems: list[str] = []
    settings = _settings(_Reader(values, problems), problems)
    if problems:
        raise ActivationError("The install settings are wrong: " + "; ".join(problems), "Correct them and repeat.")
    return settings


def _settings(reader: _Reader, problems: list[str]) -> InstallSettings:
    scope = reader.text("scope", default="auto")
    if scope != "auto" and scope not in [known.value for known in Scope]:
        problems.append("scope: must be auto, system, user, cron or nohup")
        scope = "auto"
    tls = reader.values.pop("tls", True)
    without = [name for name in ("bootstrap", "rescue") if reader.values.get(name, {}) is None]
    has_bootstrap = len(without) < 2
    branch = reader.values.pop("branch", None)
    hosts = reader.values.pop("allowed_hosts", [])
    if not isinstance(hosts, list) or not all(isinstance(host, str) and HOST_NAME.match(host) for host in hosts):
        problems.append("allowed_hosts: must be a list of host names")
        hosts = []
    users = reader.values.pop("app_users", [])
    if not isinstance(users, list) or not all(isinstance(user, str) and USER.match(user) for user in users):
        problems.append("app_users: must be a list of user names")
        users = []
    if branch is not None and not isinstance(branch, str):
        problems.append("branch: must be text or null")
    if not isinstance(tls, bool):
        problems.append("tls: must be true or false")
    settings = InstallSettings(
        scope=None if scope == "auto" else Scope(scope),
        port=int(reader.number("port", 1, 65535, 7600)),
        bind=reader.text("bind", BIND, "0.0.0.0"),
        slave_id=reader.text("slave_id", SLAVE_ID),
        tls=bool(tls),
        release=reader.path("release"),
        commit=reader.text("commit", COMMIT),
        branch=branch,
        bootstrap=_bootstrap(reader.table("bootstrap"), problems) if has_bootstrap else None,
        rescue=_credential(reader.table("rescue"), bool(tls)) if has_bootstrap else None,
        credential=_credential(reader.table("credential"), bool(tls)) if reader.values.get("credential") else None,
        confirm_timeout_seconds=reader.number("confirm_timeout_seconds", 2, 3600, 60),
        step_delay_seconds=reader.number("step_delay_seconds", 0, 60, 0),
        allowed_hosts=tuple(hosts),
        app_users=tuple(users),
        language=reader.text("language", re.compile(r"(es|en)\Z"), "es"),
        release_key=reader.text("release_key", RELEASE_KEY) if reader.values.get("release_key") else None,
    )
    for optional in ("credential", "release_key", *without):
        reader.values.pop(optional, None)
    reader.end()
    return settings


def _bootstrap(reader: _Reader, problems: list[str]) -> BootstrapSource:
    pid = reader.values.pop("pid", None)
    if pid is not None and (isinstance(pid, bool) or not isinstance(pid, int) or pid < 2):
        problems.append("bootstrap.pid: must be a process id or null")
    source = BootstrapSource(reader.text("user", USER), reader.path("config"), reader.path("server"), pid)
    reader.end()
    return source


def _credential(reader: _Reader, tls: bool) -> CredentialText:
    token_sha256 = reader.text("token_sha256", SHA256)
    certificate = reader.text("certificate") if tls else reader.values.pop("certificate", None)
    private_key = reader.text("private_key") if tls else reader.values.pop("private_key", None)
    reader.end()
    return CredentialText(token_sha256, certificate, private_key)
