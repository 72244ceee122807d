"""The facts of a slave: the one command that asks for them, and how its answer is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from d8.shell import ShellCommand, command

MINIMUM_PYTHON = (3, 11)


class Privilege(StrEnum):
    """How the bootstrap's user becomes root. Sudo that asks for a password counts as none for a build."""

    IS_ROOT = "is_root"
    PASSWORDLESS = "passwordless"
    PASSWORD = "password"  # noqa: S105  a way to become root, not a secret
    NONE = "none"

    @property
    def can_be_root(self) -> bool:
        """Whether commands can run as root without a question."""
        return self in (Privilege.IS_ROOT, Privilege.PASSWORDLESS)

    @property
    def prefix(self) -> tuple[str, ...]:
        """The words in front of a command that has to run as root."""
        return ("sudo", "-n") if self is Privilege.PASSWORDLESS else ()


@dataclass(frozen=True)
class HostFacts:
    """What preflight found. Bytes are bytes, the clock is seconds since 1970, None means that the host didn't say."""

    system: str
    architecture: str
    libc: str
    libc_version: str
    os_id: str
    os_like: tuple[str, ...]
    os_name: str
    hostname: str
    machine_id: str
    addresses: tuple[str, ...]
    has_systemd: bool
    user: str
    uid: int
    home: str
    privilege: Privilege
    linger: str
    has_cron: bool
    pythons: dict[str, tuple[int, int]]
    git: str | None
    package_manager: str | None
    memory_available_bytes: int | None
    disk_free_bytes: dict[str, int | None]
    clock: float
    has_default_route: bool

    @property
    def is_debian_like(self) -> bool:
        """Whether packages are Debian's, by ID or ID_LIKE (Raspberry Pi OS calls itself raspbian)."""
        return "debian" in (self.os_id, *self.os_like)

    @property
    def best_python(self) -> tuple[str, tuple[int, int]] | None:
        """The path and version of the interpreter for the agent: the newest one that is new enough."""
        fitting = [(version, path) for path, version in self.pythons.items() if version >= MINIMUM_PYTHON]
        if not fitting:
            return None
        # The distribution's own python3 comes first when it is new enough: its packages fit it.
        own = next(((version, path) for version, path in fitting if path.endswith("/python3")), None)
        version, path = own or max(fitting)
        return path, version


def ask() -> tuple[ShellCommand, str]:
    """Return the command that asks for the facts and the text for its standard input: one round trip."""
    return command("python3", "-I", "-"), Path(__file__).with_name("preflight_probe.py").read_text()


def read(answer: str) -> HostFacts:
    """Given what the probe printed, return the facts. Raises ValueError when it isn't the probe's answer."""
    raw: dict[str, Any] = json.loads(answer)
    try:
        return HostFacts(
            system=raw["system"],
            architecture=raw["architecture"],
            libc=raw["libc"],
            libc_version=raw["libc_version"],
            os_id=raw["os_id"],
            os_like=tuple(raw["os_like"]),
            os_name=raw["os_name"],
            hostname=raw["hostname"],
            machine_id=raw["machine_id"],
            addresses=tuple(raw["addresses"]),
            has_systemd=raw["has_systemd"],
            user=raw["user"],
            uid=raw["uid"],
            home=raw["home"],
            privilege=Privilege(raw["sudo"]),
            linger=raw["linger"],
            has_cron=raw["has_cron"],
            pythons={path: (version[0], version[1]) for path, version in raw["pythons"].items()},
            git=raw["git"],
            package_manager=raw["package_manager"],
            memory_available_bytes=raw["memory_available_bytes"],
            disk_free_bytes=raw["disk_free_bytes"],
            clock=raw["clock"],
            has_default_route=raw["has_default_route"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"the preflight answer lacks {error}") from error
