"""Where the lab keeps things: images in the cache, records in the state folder, the hosts' disks in the work folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """The three folders, all outside the checkout."""

    cache: Path
    state: Path
    work: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Places:
        """Given the environment, return the folders it names or else the defaults."""
        return cls(
            cache=Path(environment.get("D8_LAB_CACHE") or "/var/cache/d8-lab"),
            state=Path(environment.get("D8_LAB_STATE") or "/run/d8-lab"),
            work=Path(environment.get("D8_LAB_WORK") or "/var/lib/d8-lab"),
        )
