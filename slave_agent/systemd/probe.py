"""How host_checks.py sees a host: what lies at a path, who may change it, which modules and ports there are. Types."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Optional, Protocol

from slave_agent.systemd.document_rules import FieldProblem


class Kind(Enum):
    """What lies at a path, links followed."""

    FILE = "file"
    FOLDER = "folder"
    OTHER = "other"
    MISSING = "missing"
    BROKEN_LINK = "broken link"
    HIDDEN = "hidden"


@dataclass(frozen=True)
class Look:
    """What lies at a path, and what this user may do with it."""

    kind: Kind
    is_readable: bool = False
    is_executable: bool = False


@dataclass(frozen=True)
class PathPart:
    """One folder, link or file on the way to what a path means. `writers` are those who may write to it besides its
    owner, by name: its group's members, and whom its access control list names; `is_open` when everybody may.
    """

    path: str
    owner: int
    is_open: bool = False
    is_sticky: bool = False
    writers: frozenset[str] = frozenset()


class Probe(Protocol):
    """How host_checks.py sees a host."""

    def look(self, path: str) -> Look: ...

    def names_in(self, folder: str) -> tuple[str, ...]: ...

    def text_of(self, path: str) -> Optional[str]: ...

    def parts_of(self, path: str) -> tuple[PathPart, ...]: ...

    def missing_modules(self, python: str, working_dir: str, names: tuple[str, ...]) -> tuple[str, ...]: ...

    def port_problem(self, host: Optional[str], port: int) -> Optional[FieldProblem]: ...
