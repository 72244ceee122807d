"""The names of apps and of their units. Pure."""

from __future__ import annotations

import re
from typing import Optional

UNIT_PREFIX = "d8-app-"
APP_NAME = re.compile(r"[a-z][a-z0-9_-]{0,47}\Z")


def unit_name(name: str) -> str:
    """Given an app's name, return its unit's: prefixed, so that no app shadows a unit of the system."""
    return f"{UNIT_PREFIX}{name}.service"


def app_name_of(unit: str) -> Optional[str]:
    """Given a unit's name, return the app's, or None when it is no app's."""
    name = unit[len(UNIT_PREFIX) : -len(".service")]
    return name if unit == unit_name(name) and APP_NAME.match(name) else None
