"""The file with an app's environment, quoted as systemd reads it (systemd.exec(5), EnvironmentFile=). Pure."""

from __future__ import annotations

from collections.abc import Mapping


def render_environment(environment: Mapping[str, str]) -> str:
    """Given names and values, return the file's text. Raises SystemdError for a value that no such file can carry."""
    raise NotImplementedError


def parse_environment(text: str) -> dict[str, str]:
    """Given such a file's text, return names and values as systemd reads them."""
    raise NotImplementedError
