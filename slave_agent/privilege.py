"""What the agent may not do itself and has done by somebody who may: root's helper, or without root its own user.

Here is what can be asked and what is answered; who does it is in helper_privilege.py and own_privilege.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from slave_agent.models import JsonObject
from slave_agent.systemd.service_config import FieldProblem
from slave_agent.systemd.states import UnitVerb
from slave_agent.systemd.unit_files import UnitFileState

Document = Mapping[str, Any]


@dataclass(frozen=True)
class CheckAnswer:
    """What a look at the host as the app's user found: every problem with its field, and the interpreter if found."""

    problems: tuple[FieldProblem, ...]
    interpreter: str | None


@dataclass(frozen=True)
class InstallAnswer:
    """What was installed: the unit's name, the interpreter in it, the names (never values) of its environment."""

    unit: str
    interpreter: str
    environment_names: tuple[str, ...]


@dataclass(frozen=True)
class UnitOutcome:
    """How systemd took an order. A refusal is data: `message` is what it said; the unit's state says the rest."""

    is_done: bool
    message: str


@dataclass(frozen=True)
class UnitLook:
    """What is on the disk for an app; `has_previous` says that a version to go back to is kept."""

    file: UnitFileState
    environment_names: tuple[str, ...]
    has_previous: bool


@dataclass(frozen=True)
class ProcessSeen:
    """A Node.js or Python process of any user, with what only its user or root can read. `unit` is its service."""

    pid: int
    user: str
    working_dir: str | None
    executable: str | None
    arguments: tuple[str, ...] = field(repr=False)  # command lines carry secrets
    unit: str | None = None


@dataclass(frozen=True)
class Permission:
    """One thing that managing apps needs: whether it is there, and otherwise what to run to get it. What is not needed
    only adds to what can be done.
    """

    name: str
    granted: bool
    detail: str
    command: str | None = None
    is_needed: bool = True


@dataclass(frozen=True)
class SudoersFinding:
    """Rules that let somebody run systemctl as root without a password: the files they are in, never their text.
    `found` is None where nobody here may look.
    """

    found: bool | None
    files: tuple[str, ...]
    explanation: str
    command: str | None = None


@dataclass(frozen=True)
class PermissionReport:
    """The answer of GET /api/permissions."""

    scope: str
    permissions: tuple[Permission, ...]
    sudoers: SudoersFinding

    @property
    def is_ok(self) -> bool:
        """Whether apps can be managed."""
        return all(permission.granted for permission in self.permissions if permission.is_needed)

    @property
    def missing(self) -> tuple[Permission, ...]:
        """What is not granted."""
        return tuple(permission for permission in self.permissions if not permission.granted)

    def as_json(self) -> JsonObject:
        """Return the document of GET /api/permissions."""
        return {
            "scope": self.scope,
            "ok": self.is_ok,
            "permissions": [
                {"name": one.name, "granted": one.granted, "detail": one.detail, "command": one.command}
                for one in self.permissions
            ],
            "sudoers": {
                "found": self.sudoers.found,
                "files": list(self.sudoers.files),
                "explanation": self.sudoers.explanation,
                "command": self.sudoers.command,
            },
        }


class Privilege(Protocol):
    """The fixed list of what can be asked. Every method raises PermissionMissing (nobody here may do it, with what to
    run), PrivilegeUnavailable (who may did not answer; asking again may help) or OperationRefused (the request is
    wrong; `.problems` names the fields).

    With `keep_environment` the document's environment is a patch on what the app has (None deletes a name), because
    its values can't be read back; otherwise it is the whole.
    """

    def check(self, document: Document, keep_environment: bool = False) -> CheckAnswer:
        """Look at the host as the app's user; nothing is written. Problems are data here, not an exception."""

    def install(self, document: Document, keep_environment: bool = False) -> InstallAnswer:
        """Check, write environment and unit, verify, reload. The version before is kept until forget_previous."""

    def restore(self, name: str) -> bool:
        """Put back what was there before the last install, or nothing if nothing was. False: there was no such."""

    def forget_previous(self, name: str) -> None:
        """The last install is good: the version before it is no longer needed. Repeating it is fine."""

    def remove(self, name: str) -> bool:
        """Stop, disable and delete all of an app: whether there was anything. Repeating it is fine."""

    def act(self, verb: UnitVerb, name: str) -> UnitOutcome:
        """Have systemd start, stop, … an app's unit. Start and restart check the script's path again first."""

    def look(self, name: str) -> UnitLook:
        """What is on the disk for an app."""

    def installed(self) -> tuple[str, ...]:
        """The names of all apps that have a unit of D8's, sorted."""

    def scan(self) -> tuple[ProcessSeen, ...]:
        """The Node.js and Python processes of everybody, as far as this privilege can see them."""

    def permissions(self) -> PermissionReport:
        """What is missing, and how to get it. Never raises: that nobody answers is what it reports."""
