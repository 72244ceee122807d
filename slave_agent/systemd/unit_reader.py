"""Reads an app's unit back: settings as systemd takes them, and the app that they say. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Optional

from slave_agent.systemd.commands import script_and_arguments
from slave_agent.systemd.errors import UnprovenUnit
from slave_agent.systemd.service_config import ServiceConfig
from slave_agent.systemd.states import AppKind, Hardening, RestartPolicy
from slave_agent.systemd.unit_syntax import Setting, read_settings, value_of


def settings_in(text: str) -> list[Setting]:
    """Given a unit's text, return its settings with their values as systemd takes them. Raises UnprovenUnit."""
    return [Setting(section, name, value_of(name, raw)) for section, name, raw in read_settings(text)]


def config_in(text: str) -> ServiceConfig:
    """Given the text of an app's unit, return the app without its environment. Raises UnprovenUnit for another text."""
    try:
        return _config(_Found(settings_in(text)))
    except (KeyError, ValueError) as problem:
        raise UnprovenUnit(f"no app's unit: {problem}", "Register the app again.") from problem


def program_in(text: str) -> str:
    """Given the text of an app's unit, return the program that it starts. Raises UnprovenUnit for another text."""
    try:
        return _Found(settings_in(text)).argv()[0].removeprefix(":")
    except KeyError as problem:
        raise UnprovenUnit(f"no app's unit: {problem}", "Register the app again.") from problem


class _Found:
    """The settings of one unit, asked for by section and name."""

    def __init__(self, settings: Sequence[Setting]) -> None:
        self._settings = settings

    def values(self, section: str, name: str) -> list[str]:
        return [
            one.value
            for one in self._settings
            if (one.section, one.name) == (section, name) and isinstance(one.value, str)
        ]

    def get(self, section: str, name: str) -> Optional[str]:
        values = self.values(section, name)
        return values[-1] if values else None

    def need(self, section: str, name: str) -> str:
        value = self.get(section, name)
        if value is None:
            raise KeyError(f"{section}.{name}")
        return value

    def number(self, section: str, name: str) -> Optional[int]:
        value = self.get(section, name)
        return None if value is None else int(value.rstrip("%"))

    def argv(self) -> tuple[str, ...]:
        for one in self._settings:
            if one.name == "ExecStart" and isinstance(one.value, tuple) and one.value:
                return one.value
        raise KeyError("Service.ExecStart")


def _config(found: _Found) -> ServiceConfig:
    is_system = found.get("Service", "User") is not None
    after = found.values("Unit", "After")[1 if is_system else 0 :]  # the first one is every system app's
    config = ServiceConfig(
        name=found.need("X-D8", "Name"),
        kind=AppKind(found.need("X-D8", "Kind")),
        script="",
        user=found.need("X-D8", "User"),
        working_dir=found.need("Service", "WorkingDirectory"),
        interpreter=found.get("X-D8", "Interpreter"),
        host=found.get("X-D8", "Host"),
        port=found.number("X-D8", "Port"),
        restart=RestartPolicy(found.need("Service", "Restart")),
        memory_bytes=found.number("Service", "MemoryMax"),
        cpu_percent=found.number("Service", "CPUQuota"),
        tasks=found.number("Service", "TasksMax"),
        hardening=Hardening(found.need("X-D8", "Hardening")),
        after=tuple(" ".join(after).split()),
        wants=tuple((found.get("Unit", "Wants") or "").split()),
        description=found.get("Unit", "Description") or "",
        stabilisation_seconds=float(found.need("X-D8", "StabilisationSeconds")),
    )
    script, arguments = script_and_arguments(config, found.argv())
    return replace(config, script=script, arguments=arguments)
