"""Reads what pip prints and says how far it is. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_REQUIREMENT = re.compile(r"^[A-Za-z0-9]", re.MULTILINE)
_COLLECTING = re.compile(
    r"^(?:(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9._-]+?)(?:\[|==|\s|$)"
    r"|Processing \S*?([A-Za-z0-9._]+)-[^/-]+-\S*\.whl)"
)
_NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|Temporary failure in name resolution|Network is unreachable"
    r"|ConnectTimeoutError|Failed to establish a new connection|ProxyError|getaddrinfo failed"
)


@dataclass(frozen=True)
class PipProgress:
    """How many of the locked packages pip has got, which one is next, and whether the network failed it."""

    total: int
    done: int = 0
    name: str = ""
    is_installing: bool = False
    has_no_network: bool = False

    def after(self, line: str) -> PipProgress:
        """Given the next line of pip's output, return where it stands now."""
        if line.startswith("Ignoring "):  # a package for another system
            return replace(self, total=max(1, self.total - 1))
        if line.startswith("Installing collected packages"):
            return replace(self, is_installing=True)
        if _NO_NETWORK.search(line):
            return replace(self, has_no_network=True)
        found = _COLLECTING.match(line)
        if found:
            return replace(self, done=min(self.done + 1, self.total), name=found[1] or found[2])
        return self


def count_requirements(locked: str) -> int:
    """Given the text of a locked requirements file, return how many packages it names."""
    return len(_REQUIREMENT.findall(locked))
