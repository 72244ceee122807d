"""What an app is: its fields, the document they come in, and everything that is wrong with one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from slave_agent.systemd.states import AppKind, Hardening, RestartPolicy

UNIT_PREFIX = "d8-app-"


@dataclass(frozen=True)
class FieldProblem:
    """One thing that is wrong with one field, and what to do about it."""

    field: str
    message: str
    hint: str = ""

    def as_json(self) -> dict[str, str]:
        return {"field": self.field, "message": self.message, "hint": self.hint}


@dataclass(frozen=True)
class ServiceConfig:
    """One app. `script` is a path (node, python), an npm script's name, a module, or `module:attribute` (fastapi)."""

    name: str
    kind: AppKind
    script: str
    user: str
    working_dir: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    arguments: tuple[str, ...] = ()
    interpreter: Optional[str] = None
    host: Optional[str] = None
    port: Optional[int] = None
    restart: RestartPolicy = RestartPolicy.ON_FAILURE
    memory_bytes: Optional[int] = None
    cpu_percent: Optional[int] = None
    tasks: Optional[int] = None
    hardening: Hardening = Hardening.STANDARD
    after: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    description: str = ""
    stabilisation_seconds: float = 3.0

    @property
    def unit(self) -> str:
        """The name of its unit."""
        return unit_name(self.name)


def unit_name(name: str) -> str:
    """Given an app's name, return its unit's: prefixed, so that no app shadows a unit of the system."""
    return f"{UNIT_PREFIX}{name}.service"


def app_name_of(unit: str) -> Optional[str]:
    """Given a unit's name, return the app's, or None when it is no app's."""
    if unit.startswith(UNIT_PREFIX) and unit.endswith(".service"):
        return unit[len(UNIT_PREFIX) : -len(".service")]
    return None


def problems_in(document: Any) -> list[FieldProblem]:
    """Given a parsed JSON value, return everything that keeps it from describing an app; empty when nothing does."""
    raise NotImplementedError


def config_from(document: Any) -> ServiceConfig:
    """Given a parsed JSON value, return the app that it describes. Raises InvalidConfig with all its problems."""
    raise NotImplementedError


def document_of(config: ServiceConfig, with_environment: bool = False) -> dict[str, Any]:
    """Return the document of an app, without its environment's values unless they are asked for."""
    raise NotImplementedError
