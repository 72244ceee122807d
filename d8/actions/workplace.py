"""What every action works with: the settings and the registry, which opens at its first use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from d8.settings import Settings

if TYPE_CHECKING:
    from d8.fleet.registry import Registry


class Workplace:
    """One run's settings and registry. Given the settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def registry(self) -> Registry:
        """The master's database; its library is loaded here because it alone takes longer than a whole start."""
        from d8.fleet.registry import Registry

        return Registry(self.settings.data_dir)

    @property
    def is_open(self) -> bool:
        """Whether the registry was used."""
        return "registry" in self.__dict__

    def close(self) -> None:
        """Give the database back if it was opened."""
        if self.is_open:
            self.registry.close()
