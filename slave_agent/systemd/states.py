"""States, kinds and verbs of apps and their units. This file imports nothing of the product and does nothing."""

from __future__ import annotations

from enum import Enum


class UnitState(str, Enum):
    """What systemd says of a unit."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    FAILED = "failed"
    ACTIVATING = "activating"
    AUTO_RESTART = "auto-restart"
    DEACTIVATING = "deactivating"
    RELOADING = "reloading"
    NOT_FOUND = "not-found"
    UNKNOWN = "unknown"


class AppKind(str, Enum):
    """How an app is run."""

    NODE = "node"
    NPM = "npm"
    PYTHON = "python"
    MODULE = "module"
    FASTAPI = "fastapi"


class RestartPolicy(str, Enum):
    """When systemd starts an app again that ended."""

    NO = "no"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


class Hardening(str, Enum):
    """How much of the host an app can reach."""

    STANDARD = "standard"
    STRICT = "strict"
    OFF = "off"


class UnitVerb(str, Enum):
    """What can be done with one unit."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"
    ENABLE = "enable"
    DISABLE = "disable"
    RESET_FAILED = "reset-failed"
