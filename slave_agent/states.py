"""The agent's states and kinds, as enums. This file imports nothing of the product, and nothing here does anything."""

from __future__ import annotations

from enum import StrEnum

AGENT_MODE = "agent"


class Scope(StrEnum):
    """Who keeps the agent alive on this machine, best first."""

    SYSTEM = "system"
    USER = "user"
    CRON = "cron"
    NOHUP = "nohup"


class CredentialKind(StrEnum):
    """Where a credential came from: the install script (shared, short-lived), an enrolment (this slave's own), or a
    grant of the master to somebody else.
    """

    INSTALLER = "installer"
    AGENT = "agent"
    ACCESS = "access"


class Right(StrEnum):
    """What a token must be allowed to do for a route to serve it."""

    NONE = "none"
    READ = "read"
    OPERATE = "operate"
    EXECUTE = "execute"
    AUDIT = "audit"
    MANAGE = "manage"


ALL_RIGHTS = frozenset(Right)
PANEL_RIGHTS = frozenset({Right.NONE, Right.READ, Right.OPERATE, Right.AUDIT})  # as far as a browser's session reaches


class TokenScope(StrEnum):
    """How far a granted token reaches; each scope has the rights of those before it."""

    READ = "read"
    OPERATE = "operate"
    EXECUTE = "execute"
    MANAGE = "manage"


RIGHTS_OF = {
    TokenScope.READ: frozenset({Right.NONE, Right.READ}),
    TokenScope.OPERATE: frozenset({Right.NONE, Right.READ, Right.OPERATE}),
    TokenScope.EXECUTE: frozenset({Right.NONE, Right.READ, Right.OPERATE, Right.EXECUTE}),
    TokenScope.MANAGE: ALL_RIGHTS,
}


class ActivationVerb(StrEnum):
    """What the agent may ask of the activation, which has the rights that the agent has not."""

    CONFIRM = "confirm"
    UNINSTALL = "uninstall"
    RETURN_TO_BOOTSTRAP = "return-to-bootstrap"
    RELEASES = "releases"
    UPDATE = "update"
    HANDOVER = "handover"
    ROLLBACK = "rollback"
    RESCUE = "rescue"


class AppState(StrEnum):
    """How an app fares: the process that was found and systemd's word about its unit, read together."""

    RUNNING = "running"
    CRASHED = "crashed"
    FAILED = "failed"
    ZOMBIE = "zombie"
    STOPPED = "stopped"
    STARTING = "starting"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    UNKNOWN = "unknown"


class AppPhase(StrEnum):
    """What the agent is doing to an app, written down before it begins: a killed agent finds it at its next start."""

    REGISTERING = "registering"
    REGISTERED = "registered"
    EDITING = "editing"
    REMOVING = "removing"


class AppVerb(StrEnum):
    """What can be done with a registered app."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    ENABLE = "enable"
    DISABLE = "disable"
