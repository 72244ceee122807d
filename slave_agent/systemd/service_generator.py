"""The text of an app's unit, which proves itself: what is rendered is read back and compared. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Optional

from slave_agent.systemd import field_rules, unit_reader
from slave_agent.systemd.commands import app_argv
from slave_agent.systemd.errors import UnprovenUnit
from slave_agent.systemd.hardening import hardening_settings, writes_only_where_told
from slave_agent.systemd.restarts import restart_settings
from slave_agent.systemd.service_config import ServiceConfig
from slave_agent.systemd.states import AppKind
from slave_agent.systemd.unit_syntax import Setting, Value, render_settings

STOP_SECONDS = 15
START_SECONDS = 30
_USUAL_PATH = ("/usr/local/bin", "/usr/bin", "/bin")
_HEADER = """\
# Made by D8 for an app. Change the app with D8: a change made here by hand is seen, and lost with the next one.
# digest: {digest}
"""
_OURS = re.compile(re.escape(_HEADER).replace(re.escape("{digest}"), "([0-9a-f]{64})"))


@dataclass(frozen=True)
class Placement:
    """What a unit needs to know of its host. `interpreter` is the absolute program that the host's check found."""

    is_user: bool
    environment_file: str
    interpreter: str
    boot_target: str = "multi-user.target"


def render_unit(config: ServiceConfig, placement: Placement) -> str:
    """Given an app and its host, return its unit's text. Raises UnprovenUnit when systemd would read anything else."""
    for path in (placement.interpreter, placement.environment_file):
        if problem := field_rules.program(path):
            raise UnprovenUnit(f"no unit can carry the path {path!a}: {problem}", "Name a path without such signs.")
    settings = unit_settings(config, placement)
    body = render_settings(settings)
    text = _HEADER.format(digest=_digest(body)) + body
    if unit_reader.settings_in(text) != settings:
        raise UnprovenUnit("the unit does not say what was asked for", "Report this with the app's fields.")
    if parse_unit(text) != replace(config, environment={}):
        raise UnprovenUnit("the app can't be read back from its unit", "Report this with the app's fields.")
    return text


def parse_unit(text: str) -> ServiceConfig:
    """Given a text that render_unit made, return its app without the environment. Raises SystemdError for others."""
    return unit_reader.config_in(text)


def program_of(text: str) -> str:
    """Given a text that render_unit made, return the interpreter that it starts. Raises SystemdError for others."""
    return unit_reader.program_in(text)


def is_ours(text: str) -> bool:
    """Whether a unit's text was made by render_unit, whatever was done to it since."""
    return _OURS.match(text) is not None


def is_untouched(text: str) -> bool:
    """Whether a unit's text is exactly as render_unit made it; False after any edit by hand."""
    match = _OURS.match(text)
    return match is not None and match[1] == _digest(text[match.end() :])


def unit_settings(config: ServiceConfig, placement: Placement) -> list[Setting]:
    """Given an app and its host, return what its unit sets, in order."""
    limits, restarts = restart_settings(config.restart)
    hardening = hardening_settings(config.hardening, config.kind, placement.is_user)
    return [
        *_section("Unit", [*_dependencies(config, placement), *limits]),
        *_section("Service", [*_process(config, placement), *restarts, *_limits(config), *hardening]),
        *_section("Service", _writable(config, placement)),
        *_section("Install", [("WantedBy", placement.boot_target)]),
        *_section("X-D8", _own(config)),
    ]


def _section(name: str, values: Iterable[tuple[str, Optional[Value]]]) -> list[Setting]:
    return [Setting(name, key, value) for key, value in values if value is not None]


def _dependencies(config: ServiceConfig, placement: Placement) -> list[tuple[str, Optional[Value]]]:
    return [
        ("Description", config.description or None),
        ("After", None if placement.is_user else "network.target"),
        ("After", " ".join(config.after) or None),
        ("Wants", " ".join(config.wants) or None),
    ]


def _process(config: ServiceConfig, placement: Placement) -> list[tuple[str, Optional[Value]]]:
    program, *words = app_argv(config, placement.interpreter)
    return [
        ("Type", "exec"),
        ("User", None if placement.is_user else config.user),
        ("WorkingDirectory", config.working_dir),
        ("Environment", tuple(f"{name}={value}" for name, value in default_environment(config, placement).items())),
        ("EnvironmentFile", placement.environment_file),
        ("ExecStart", (f":{program}", *words)),  # the colon: no variable is put in for $NAME
        ("SyslogIdentifier", config.name),
        ("TimeoutStartSec", str(START_SECONDS)),
        ("TimeoutStopSec", str(STOP_SECONDS)),
        ("SuccessExitStatus", "143"),  # how a shell or npm tells that its child was asked to end
    ]


def default_environment(config: ServiceConfig, placement: Placement) -> dict[str, str]:
    """Return the variables that an app gets unless its own environment says otherwise."""
    folder = str(PurePosixPath(placement.interpreter).parent)
    path = [folder, *(one for one in _USUAL_PATH if one != folder)]
    environment = {"PATH": ":".join(path)}
    if config.kind not in (AppKind.NODE, AppKind.NPM):
        environment["PYTHONUNBUFFERED"] = "1"  # what it prints is a log: let it come line by line
    if config.kind is not AppKind.FASTAPI:
        if config.host is not None:
            environment["HOST"] = config.host
        if config.port is not None:
            environment["PORT"] = str(config.port)
    return environment


def _limits(config: ServiceConfig) -> list[tuple[str, Optional[Value]]]:
    return [
        ("MemoryMax", None if config.memory_bytes is None else str(config.memory_bytes)),
        ("CPUQuota", None if config.cpu_percent is None else f"{config.cpu_percent}%"),
        ("TasksMax", None if config.tasks is None else str(config.tasks)),
    ]


def _writable(config: ServiceConfig, placement: Placement) -> list[tuple[str, Optional[Value]]]:
    is_needed = writes_only_where_told(config.hardening, placement.is_user)
    return [("ReadWritePaths", (config.working_dir,))] if is_needed else []


def _own(config: ServiceConfig) -> list[tuple[str, Optional[Value]]]:
    """What systemd has no setting for; it skips sections that begin with X-."""
    return [
        ("Name", config.name),
        ("Kind", config.kind.value),
        ("User", config.user),
        ("Interpreter", config.interpreter),
        ("Host", config.host),
        ("Port", None if config.port is None else str(config.port)),
        ("Hardening", config.hardening.value),
        ("StabilisationSeconds", repr(config.stabilisation_seconds)),
    ]


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
