"""The text of an app's unit, which proves itself: what is rendered is read back and compared. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from slave_agent.systemd.service_config import ServiceConfig


@dataclass(frozen=True)
class Placement:
    """What a unit needs to know of its host. `interpreter` is the absolute program that the host's check found.

    `home` is the home of the app's user; `path` the folders in which the app itself finds programs.
    """

    is_user: bool
    environment_file: str
    interpreter: str
    boot_target: str = "multi-user.target"
    path: tuple[str, ...] = ()


def render_unit(config: ServiceConfig, placement: Placement) -> str:
    """Given an app and its host, return its unit's text. Raises UnprovenUnit when systemd would read anything else."""
    raise NotImplementedError


def parse_unit(text: str) -> ServiceConfig:
    """Given a text that render_unit made, return its app, without environment. Raises SystemdError for any other."""
    raise NotImplementedError


def is_untouched(text: str) -> bool:
    """Whether a unit's text is as it was rendered; False after any edit by hand."""
    raise NotImplementedError
