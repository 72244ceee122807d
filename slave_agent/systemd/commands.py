"""What an app's unit starts: the argv of each kind, and back. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from slave_agent.systemd.errors import UnprovenUnit
from slave_agent.systemd.service_config import ServiceConfig
from slave_agent.systemd.states import AppKind

_BEFORE_SCRIPT = {
    AppKind.NODE: (),
    AppKind.NPM: ("run",),
    AppKind.PYTHON: (),
    AppKind.MODULE: ("-m",),
    AppKind.FASTAPI: ("-m", "uvicorn"),
}


def app_argv(config: ServiceConfig, interpreter: str) -> tuple[str, ...]:
    """Given an app and its interpreter, return what is executed. No shell is part of it, unless npm brings one."""
    return (interpreter, *_BEFORE_SCRIPT[config.kind], config.script, *_after_script(config), *config.arguments)


def script_and_arguments(config: ServiceConfig, argv: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Given an app of which kind, host and port are known, and its argv, return its script and its own arguments.

    Raises UnprovenUnit for an argv that is no such app's.
    """
    first = 1 + len(_BEFORE_SCRIPT[config.kind])
    rest = first + 1 + len(_after_script(config))
    if len(argv) < rest:
        raise UnprovenUnit("the command is too short for its kind of app")
    return argv[first], tuple(argv[rest:])


def _after_script(config: ServiceConfig) -> tuple[str, ...]:
    if config.kind is AppKind.NPM:
        return ("--",)
    if config.kind is not AppKind.FASTAPI:
        return ()
    host = () if config.host is None else ("--host", config.host)
    port = () if config.port is None else ("--port", str(config.port))
    return (*host, *port)
