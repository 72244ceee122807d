"""What an app is: its fields, the document they come in, and everything that is wrong with one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, Optional

from slave_agent.systemd.document_rules import FieldProblem, problems_in, renamed
from slave_agent.systemd.errors import InvalidConfig
from slave_agent.systemd.names import APP_NAME, UNIT_PREFIX, app_name_of, unit_name
from slave_agent.systemd.states import AppKind, Hardening, RestartPolicy

__all__ = [
    "APP_NAME",
    "UNIT_PREFIX",
    "FieldProblem",
    "ServiceConfig",
    "app_name_of",
    "config_from",
    "document_of",
    "problems_in",
    "unit_name",
]


@dataclass(frozen=True)
class ServiceConfig:
    """One app. `script` is a path (node, python), an npm script's name, a module, or `module:attribute` (fastapi).

    `interpreter` None means the one that the host's check finds. An app hears `host` and `port` as uvicorn's options
    or, of another kind, as HOST and PORT in its environment.
    """

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


def config_from(document: Any) -> ServiceConfig:
    """Given a parsed JSON value, return the app that it describes. Raises InvalidConfig with all its problems."""
    if problems := problems_in(document):
        raise InvalidConfig(problems)
    values = {name: value for name, value in renamed(document).items() if value is not None}
    for name, kind in _KINDS.items():
        if name in values:
            values[name] = kind(values[name])
    for name in ("arguments", "after", "wants"):
        values[name] = tuple(values.get(name, ()))
    values["environment"] = dict(values.get("environment", {}))
    return ServiceConfig(**values)


def document_of(config: ServiceConfig, with_environment: bool = False) -> dict[str, Any]:
    """Return the document of an app, without its environment unless that is asked for."""
    document: dict[str, Any] = {}
    for one in fields(config):
        value = getattr(config, one.name)
        document[one.name] = value.value if isinstance(value, Enum) else value
    for name in ("arguments", "after", "wants"):
        document[name] = list(document[name])
    document["environment"] = dict(config.environment)
    if not with_environment:
        del document["environment"]
    return document


_KINDS: Mapping[str, type[Enum]] = {"kind": AppKind, "restart": RestartPolicy, "hardening": Hardening}
