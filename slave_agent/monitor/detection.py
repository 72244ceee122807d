"""PURE: what a process is (Node.js, Python, neither), whose unit holds it, which app it is, and its command line
without secrets.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath

from slave_agent.systemd.service_config import UNIT_PREFIX, ServiceConfig
from slave_agent.systemd.states import AppKind


class ProcessKind(StrEnum):
    """What runs a process."""

    NODE = "node"
    PYTHON = "python"


@dataclass(frozen=True)
class DetectedProcess:
    """One process as it was found. `command_line` is the real one, secrets included: show `masked(command_line)`.
    `working_dir` and `executable` are None where they are closed to this user, `unit` where no service holds it.
    """

    pid: int
    name: str
    kind: ProcessKind
    command_line: tuple[str, ...]
    user: str
    unit: str | None
    working_dir: str | None
    executable: str | None
    started: str
    memory_bytes: int


_NODE = re.compile(r"(?:node|nodejs|npm|npx|yarn|pnpm|bun|ts-node|tsx)\Z")
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*\Z|(?:uvicorn|gunicorn|hypercorn|celery|flask)\Z")
_UNIT = re.compile(r"/([^/\n]+\.service)(?=/|$)", re.MULTILINE)


def kind_of(name: str, command_line: Sequence[str], executable: str | None) -> ProcessKind | None:
    """Given a process's short name, command line and executable (None where closed), return what runs it, or None.

    A program may rename itself ("npm start", "gunicorn: master [shop]"), so that the first word counts.
    """
    first = command_line[0] if command_line else ""
    for candidate in (executable or "", first, name):
        word = PurePosixPath(candidate.partition(" ")[0].rstrip(":")).name
        if _NODE.match(word):
            return ProcessKind.NODE
        if _PYTHON.match(word):
            return ProcessKind.PYTHON
    return None


def unit_in(cgroup: str) -> str | None:
    """Given the text of /proc/PID/cgroup, return the innermost service that holds the process, or None."""
    found = _UNIT.findall(cgroup)
    inner = [unit for unit in found if not re.match(r"user@\d+\.service\Z", unit)]
    return inner[-1] if inner else None


def process_of_app(
    config: ServiceConfig, unit: str, main_pid: int | None, processes: Iterable[DetectedProcess]
) -> DetectedProcess | None:
    """Given an app, its unit and the pid that systemd names, return its process: that pid, else one that its unit
    holds, else one of its user that runs its script and is no other app's. None where there is none.
    """
    held, loose = None, None
    for process in processes:
        if main_pid and process.pid == main_pid:
            return process
        if process.unit == unit:
            held = held or process
        elif not (process.unit or "").startswith(UNIT_PREFIX) and process.user == config.user and runs(config, process):
            loose = loose or process
    return held or loose


def runs(config: ServiceConfig, process: DetectedProcess) -> bool:
    """Given an app and a process, tell whether the process runs what the app runs. Where the working folder is closed
    to us, only a script with its whole path can tell.
    """
    words = process.command_line
    if not words:
        return False
    is_at_home = process.working_dir is not None and process.working_dir.rstrip("/") == config.working_dir.rstrip("/")
    if config.kind in (AppKind.NODE, AppKind.PYTHON):
        relative = str(PurePosixPath(config.script).relative_to(config.working_dir)) if _is_inside(config) else None
        return config.script in words[1:] or (is_at_home and relative is not None and relative in words[1:])
    if config.kind is AppKind.NPM:
        return is_at_home and " ".join(words).startswith("npm ") and config.script in " ".join(words).split()
    if config.kind is AppKind.MODULE:
        return is_at_home and _follows(words, "-m", config.script)
    return is_at_home and config.script in words[1:]


def is_unclear(config: ServiceConfig, process: DetectedProcess) -> bool:
    """Given an app and a process, tell whether the working folder, closed to us, could make it the app's process."""
    return (
        process.working_dir is None
        and runs(config, replace(process, working_dir=config.working_dir))
        and (process.user == config.user and not (process.unit or "").startswith(UNIT_PREFIX))
    )


def _is_inside(config: ServiceConfig) -> bool:
    return PurePosixPath(config.script).is_relative_to(config.working_dir)


def _follows(words: Sequence[str], first: str, second: str) -> bool:
    return any(pair == (first, second) for pair in itertools.pairwise(words))
