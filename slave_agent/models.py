"""The agent's data: frozen, without behaviour beyond what follows from the fields. No input or output here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slave_agent.states import ALL_RIGHTS, CredentialKind, Right, Scope, TokenScope


@dataclass(frozen=True)
class AgentSettings:
    """What agent.json says. `commit` is None where the source had no commit; `helper_socket` is None without root's
    helper. `watch_seconds` pass between two looks at the apps.
    """

    slave_id: str
    bind: str
    port: int
    tls: bool
    state_dir: Path
    commit: str | None
    branch: str | None
    release_dir: Path
    scope: Scope
    allowed_hosts: tuple[str, ...]
    helper_socket: Path | None
    survives_reboot: bool
    persistence_command: str | None
    language: str
    watch_seconds: float = 10.0


@dataclass(frozen=True)
class Credential:
    """A token, known only by its hash, and the key pair that the agent presents to those who use it."""

    token_sha256: str = field(repr=False)
    certificate: Path | None
    private_key: Path | None
    kind: CredentialKind
    rights: frozenset[Right] = ALL_RIGHTS
    name: str = ""

    @property
    def who(self) -> str:
        """Who uses it, for the audit log: the master, an installer, or the name that a token was granted to."""
        return {CredentialKind.AGENT: "master", CredentialKind.INSTALLER: "installer"}.get(self.kind, self.name)


@dataclass(frozen=True)
class AccessToken:
    """A token that the master granted to somebody, known only by its hash. `created` is a moment in UTC."""

    name: str
    scope: TokenScope
    token_sha256: str = field(repr=False)
    created: str


@dataclass(frozen=True)
class CredentialSet:
    """The credential in force and the one that waits to be confirmed; both open the door, the newest is presented.

    `begins_anew`: confirming the pending one ends what was granted to others.
    """

    current: Credential
    pending: Credential | None
    slave_id: str
    begins_anew: bool = False

    @property
    def newest(self) -> Credential:
        """The credential whose certificate is presented."""
        return self.pending or self.current

    @property
    def accepted(self) -> tuple[Credential, ...]:
        """Every credential whose token is valid now."""
        return (self.current,) if self.pending is None else (self.pending, self.current)


@dataclass(frozen=True)
class OfferedKeyPair:
    """A certificate, its private key and the CA that signed it, each as PEM text."""

    certificate: str
    private_key: str = field(repr=False)
    ca_certificate: str


@dataclass(frozen=True)
class Enrolment:
    """What the master sends to give this slave a credential of its own. The key pair is None without TLS.

    `begins_anew` says that it is a build's, not a rotation's.
    """

    slave_id: str
    token_sha256: str = field(repr=False)
    key_pair: OfferedKeyPair | None
    begins_anew: bool = False


@dataclass(frozen=True)
class CommandResult:
    """The outcome of a process that the agent itself ran. A non-zero exit is data; None means that it never ended by
    itself.
    """

    exit_code: int | None
    stdout: str
    stderr: str

    @property
    def success(self) -> bool:
        """Whether the process ended with 0."""
        return self.exit_code == 0


JsonObject = dict[str, Any]
