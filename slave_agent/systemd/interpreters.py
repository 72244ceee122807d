"""Where the program that runs an app is looked for: beside the app first, then where its user would find it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Optional

from slave_agent.systemd.service_config import ServiceConfig
from slave_agent.systemd.states import AppKind

USUAL_FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin")
VENVS = (".venv", "venv")
_VERSION = re.compile(r"v(\d{1,9})\.(\d{1,9})\.(\d{1,9})\Z")
Listing = Callable[[str], Sequence[str]]


def candidates(config: ServiceConfig, home: str, names_in: Listing) -> tuple[str, ...]:
    """Given an app, its user's home and how a folder is listed, return where its interpreter may be, best first."""
    if config.interpreter is not None:
        return (config.interpreter,)
    if config.kind in (AppKind.NODE, AppKind.NPM):
        return node_programs("npm" if config.kind is AppKind.NPM else "node", home, names_in)
    folders = [config.working_dir]
    if config.kind is AppKind.PYTHON:
        folders.append(str(PurePosixPath(config.script).parent))
    beside = [f"{folder.rstrip('/')}/{venv}/bin/python" for folder in folders for venv in VENVS]
    return (*dict.fromkeys(beside), *(f"{folder}/python3" for folder in (*USUAL_FOLDERS, f"{home}/.local/bin")))


def node_programs(name: str, home: str, names_in: Listing) -> tuple[str, ...]:
    """Return where a program of node's may be: who has nvm means its newest version, as the user's own shell does."""
    versions = f"{home}/.nvm/versions/node"
    newest = newest_version(names_in(versions))
    nvm = () if newest is None else (f"{versions}/{newest}/bin/{name}",)
    return (*nvm, f"{home}/.local/bin/{name}", *(f"{folder}/{name}" for folder in USUAL_FOLDERS))


def newest_version(names: Sequence[str]) -> Optional[str]:
    """Return the greatest of the names that are versions, such as v20.11.1, or None."""
    versions = [name for name in names if _VERSION.match(name)]
    return max(versions, key=lambda name: [int(part) for part in name[1:].split(".")], default=None)
