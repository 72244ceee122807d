"""The release's own activation program: how its verbs are called, and what it is told on standard input."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from d8.commands.preflight import HostFacts
from d8.shell import ShellCommand, command

INSTALL_SECONDS = 120.0
STAGE_SECONDS = 120.0


def verb(facts: HostFacts, release: str, name: str) -> ShellCommand:
    """Given the host, a release and one of d8-activate's verbs, return the call, as root where the scope is system."""
    return facts.as_owner(command(facts.python, "-I", f"{release}/d8-activate", name))


def put_back(facts: HostFacts, launcher: str) -> ShellCommand:
    """Given the host and the launcher that outlives releases, return the call that lets the former agent run again."""
    return facts.as_owner(command(facts.python, "-I", launcher, "rollback"))


def remove_all_but_bootstrap(facts: HostFacts, launcher: str) -> ShellCommand:
    """Given the host and the launcher, return the call that begins to remove units and settings; the installer's
    server answers afterwards. It returns at once, for it may run in a job of the bootstrap that ends."""
    return facts.as_owner(command(facts.python, "-I", launcher, "uninstall", "--keep-bootstrap"))


def is_there(facts: HostFacts, launcher: str) -> ShellCommand:
    """Given the host and the launcher, return the command that succeeds while anything is left to remove with it."""
    return facts.as_owner(command("test", "-e", str(PurePosixPath(launcher).parents[1] / "controls")))


def read(answer: str) -> dict[str, Any]:
    """Given what a verb printed, return its object; {} when it printed none."""
    try:
        value = json.loads(answer)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
