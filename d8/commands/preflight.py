"""The facts of a slave: the one command that asks for them, and how its answer is read."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from d8.models import Scope
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
class DockerFacts:
    """What there is of Docker. `engine` is None where the daemon does not answer, and `problem` says why."""

    has_client: bool
    is_in_group: bool
    engine: str | None
    problem: str
    compose: str | None


@dataclass(frozen=True)
class HostFacts:
    """What preflight found. Bytes are bytes, the clock is seconds since 1970, None means that the host didn't say."""

    system: str
    architecture: str
    libc: str
    os_name: str
    hostname: str
    machine_id: str
    boot_id: str
    addresses: tuple[str, ...]
    has_systemd: bool
    user: str
    home: str
    privilege: Privilege
    pythons: dict[str, tuple[int, int]]
    git: str | None
    package_manager: str | None
    memory_available_bytes: int | None
    disk_free_bytes: dict[str, int | None]
    clock: float
    has_default_route: bool
    is_isolated: bool
    bootstrap_config: str
    bootstrap_server: str
    bootstrap_pid: int | None
    docker: DockerFacts

    @property
    def python(self) -> str:
        """The interpreter for scripts of the standard library: the host's first python3."""
        return next(iter(self.pythons), "/usr/bin/python3")

    @property
    def agent_python(self) -> str | None:
        """The interpreter for the agent, or None when all are too old: the host's own python3 first, else the newest.

        An interpreter below somebody's home folder is left out where the agent has a user of its own.
        """
        fitting = {path: version for path, version in self.pythons.items() if version >= MINIMUM_PYTHON}
        if self.is_for_root:
            fitting = {path: version for path, version in fitting.items() if not path.startswith(("/root/", "/home/"))}
        own = next((path for path in fitting if path.endswith("/python3")), None)
        return own or max(fitting, key=lambda path: fitting[path], default=None)

    @property
    def is_for_root(self) -> bool:
        """Whether the agent gets a system unit, a user of its own and a release that root owns."""
        return self.privilege.can_be_root and self.has_systemd

    def as_owner(self, command: ShellCommand) -> ShellCommand:
        """Given a command, return it as the owner of release and agent runs it: root where the agent is root's to keep,
        else the bootstrap's user, also where that one could become root."""
        return command.as_root(self.privilege.prefix) if self.is_for_root else command

    @property
    def wanted_scope(self) -> str:
        """Who shall keep the agent alive, as the activation is told; `auto` lets it try what it finds on the host."""
        if self.is_isolated:
            return Scope.NOHUP
        return Scope.SYSTEM if self.is_for_root else "auto"


def ask() -> tuple[ShellCommand, str]:
    """Return the command that asks for the facts and the text for its standard input: one round trip."""
    return command("python3", "-I", "-"), Path(__file__).with_name("preflight_probe.py").read_text()


def ask_for_git() -> ShellCommand:
    """Return the command that says whether git is there by now."""
    return command("git", "--version")


def read(answer: str) -> HostFacts:
    """Given what the probe printed, return the facts. Raises ValueError when it isn't the probe's answer."""
    raw: dict[str, Any] = json.loads(answer)
    try:
        facts = HostFacts(
            system=raw["system"],
            architecture=raw["architecture"],
            libc=raw["libc"],
            os_name=raw["os_name"],
            hostname=raw["hostname"],
            machine_id=raw["machine_id"],
            boot_id=raw["boot_id"],
            addresses=tuple(raw["addresses"]),
            has_systemd=raw["has_systemd"],
            user=raw["user"],
            home=raw["home"],
            privilege=Privilege(raw["sudo"]),
            pythons={path: (version[0], version[1]) for path, version in raw["pythons"].items()},
            git=raw["git"],
            package_manager=raw["package_manager"],
            memory_available_bytes=raw["memory_available_bytes"],
            disk_free_bytes=raw["disk_free_bytes"],
            clock=raw["clock"],
            has_default_route=raw["has_default_route"],
            is_isolated=raw["is_isolated"],
            bootstrap_config=raw["bootstrap"]["config"] or f"{raw['home']}/d8_slave/config.json",
            bootstrap_server=raw["bootstrap"]["server"] or f"{raw['home']}/d8_slave/slave_server.py",
            bootstrap_pid=int(raw["bootstrap"]["pid"]) if raw["bootstrap"]["pid"] else None,
            docker=DockerFacts(
                has_client=raw["docker"]["client"],
                is_in_group=raw["docker"]["is_in_group"],
                engine=raw["docker"]["engine"],
                problem=raw["docker"]["problem"],
                compose=raw["docker"]["compose"],
            ),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"the preflight answer lacks {error}") from error
    return _isolated(facts) if facts.is_isolated else facts


def _isolated(facts: HostFacts) -> HostFacts:
    """A bootstrap told to keep to its own folder: whatever reaches beyond it counts as absent."""
    return replace(facts, privilege=Privilege.NONE, has_systemd=False)
