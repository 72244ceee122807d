"""The log of one build: the mission's fields and what else helps, written after each command: a kill loses nothing.

Everything that comes in is masked already or masked here; the file has mode 0600 in a folder of mode 0700.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from d8.errors import D8Error
from d8.files import private_folder, write_private
from d8.masking import Masker
from d8.models import BuildStatus, CommandResult, StrategyName

KEPT_OUTPUT = 64 * 1024  # characters of each stream that the log keeps, from the end


class BuildLog:
    """Collects a build and writes it to disk. Given the folder, the slave, the start and the masker for its texts."""

    def __init__(self, folder: Path, slave_id: str, slave_host: str, started: datetime, masker: Masker) -> None:
        self._masker = masker
        self._started = started
        self.path = _free_name(private_folder(folder), f"build_{slave_id}_{started:%Y-%m-%d_%H%M%S}")
        self.document: dict[str, Any] = {
            "slave_id": slave_id,
            "slave_host": slave_host,
            "status": BuildStatus.RUNNING,
            "strategy": None,
            "commands": [],
            "error": None,
            "hint": None,
            "diagnosis": None,
            "request": None,
            "timestamp": started.isoformat(),
            "duration_seconds": None,
            "master_commit": None,
            "steps": [],
            "attempts": [],
            "skipped": [],
            "notices": [],
        }
        self._write()

    def rename_slave(self, slave_id: str) -> None:
        """Given another slave_id (the machine is known by another name), record it; the file keeps its name."""
        self.note("slave_id", slave_id)

    def note(self, field: str, value: Any) -> None:
        """Given a field and its value, set it."""
        self.document[field] = value
        self._write()

    def add(self, group: str, entry: dict[str, Any]) -> None:
        """Given one of the lists (steps, attempts, skipped, notices) and an entry, append it."""
        self.document[group].append(self._masked(entry))
        self._write()

    def add_command(self, result: CommandResult) -> None:
        """Given the outcome of a command, append it in the mission's form."""
        entry = {
            "command": result.command,
            "success": result.success,
            "stdout": result.stdout[-KEPT_OUTPUT:],
            "stderr": result.stderr[-KEPT_OUTPUT:],
            "exit_code": result.exit_code,
            "timestamp": result.timestamp.isoformat(),
            "duration_seconds": round(result.duration_seconds, 3),
            "job_id": result.job_id,
        }
        self.add("commands", entry)

    def finish(
        self, status: BuildStatus, now: datetime, strategy: StrategyName | None = None, error: D8Error | None = None
    ) -> None:
        """Given how it ended, close the log."""
        self.document |= {
            "status": status,
            "strategy": strategy,
            "error": self._masker.mask(str(error.message)) if error else None,
            "hint": self._masker.mask(str(error.hint)) or None if error else None,
            "duration_seconds": round((now - self._started).total_seconds(), 3),
        }
        self._write()

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._masker.mask(value)
        if isinstance(value, dict):
            return {key: self._masked(item) for key, item in value.items()}
        return value

    def _write(self) -> None:
        write_private(self.path, json.dumps(self.document, ensure_ascii=False, indent=2) + "\n")


def _free_name(folder: Path, stem: str) -> Path:
    """The first of stem.json, stem_2.json … that does not exist: two builds in one second keep two logs."""
    candidate, number = folder / f"{stem}.json", 1
    while candidate.exists():
        number += 1
        candidate = folder / f"{stem}_{number}.json"
    return candidate
