"""The files of apps: units and environments, written whole or not at all, and the version before, kept until the new
one has proved itself. The same code for root's helper and for a user's own units.
"""

from __future__ import annotations

from enum import Enum


class UnitFileState(str, Enum):
    """What lies where an app's unit belongs: as D8 wrote it, changed since, somebody else's, or nothing."""

    UNTOUCHED = "untouched"
    EDITED = "edited"
    FOREIGN = "foreign"
    MISSING = "missing"
