"""Services of which only the settings are there: enough to ask which routes an agent has."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from slave_agent.services import Services
from slave_agent.settings import load_settings
from tests.support.agent_process import write_settings


def unwired_services(folder: Path) -> Services:
    """Given a folder for agent.json, return services without anything behind them."""
    nothing: dict[str, Any] = {field.name: None for field in fields(Services)}
    return Services(**nothing | {"settings": load_settings(write_settings(folder)), "stopping_for": lambda: 0.0})
