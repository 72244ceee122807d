"""The log of one build: the mission's fields and what else helps, written before and after each command, so that a
build whose master was killed can be resumed from it.

Everything that comes in is masked already or masked here; the file has mode 0600 in a folder of mode 0700.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from d8.build.events import StepName
from d8.errors import D8Error
from d8.files import private_folder, write_private
from d8.masking import Masker
from d8.models import BuildStatus, CommandResult, CommandState, StrategyName

KEPT_OUTPUT = 64 * 1024  # characters of each stream that the log keeps, from the end
SAID_ONCE = ("skipped", "notices")  # a resumed build comes to these again


class BuildLog:
    """Collects a build and writes it to disk. Given the folder, the slave, the start and the masker for its texts."""

    def __init__(self, folder: Path, slave_id: str, slave_host: str, started: datetime, masker: Masker) -> None:
        self._masker = masker
        self._started = started
        self.step: StepName | None = None
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
            "uploads": [],
            "trying": None,
            "resumed": [],
        }
        self._write()

    @classmethod
    def reopen(cls, path: Path, document: dict[str, Any], masker: Masker) -> BuildLog:
        """Given the file and the object of an unfinished build, return its log, to be continued."""
        log = cls.__new__(cls)
        log._masker, log.path, log.step = masker, path, None
        log._started = datetime.fromisoformat(document["timestamp"])
        log.document = {"uploads": [], "trying": None, "resumed": [], **document}
        return log

    def resume(self, now: datetime) -> None:
        """Given the time, note that the build goes on."""
        self.document |= {"status": BuildStatus.RUNNING, "error": None, "hint": None}
        self.document["resumed"].append(now.isoformat())
        self._write()

    def note(self, field: str, value: Any) -> None:
        """Given a field and its value, set it."""
        self.document[field] = value
        self._write()

    def add(self, group: str, entry: dict[str, Any]) -> None:
        """Given one of the lists (steps, attempts, skipped, notices, uploads) and an entry, append it."""
        masked = self._masked(entry)
        if group not in SAID_ONCE or masked not in self.document[group]:
            self.document[group].append(masked)
            self._write()

    def begin_command(self, command: str, job_id: str, now: datetime, replayable: bool, timeout_seconds: float) -> int:
        """Given a command (masked) that is about to start as a job, record it; return its place in the log.

        `replayable` says that a resumed build may take its result from here.
        """
        entry = {
            "command": command,
            "success": None,
            "stdout": "",
            "stderr": "",
            "exit_code": None,
            "timestamp": now.isoformat(),
            "duration_seconds": 0.0,
            "job_id": job_id,
            "state": CommandState.RUNNING,
            "whole": False,
            "step": self.step,
            "attempt": len(self.document["attempts"]),
            "replayable": replayable,
            "timeout_seconds": timeout_seconds,
        }
        self.document["commands"].append(entry)
        self._write()
        return len(self.document["commands"]) - 1

    def end_command(self, index: int, result: CommandResult, state: CommandState, is_whole: bool) -> None:
        """Given a command's place and its outcome (masked), complete it; `is_whole` says that nothing was masked."""
        is_short = max(len(result.stdout), len(result.stderr)) <= KEPT_OUTPUT
        self.document["commands"][index] |= {
            "success": result.success,
            "stdout": result.stdout[-KEPT_OUTPUT:],
            "stderr": result.stderr[-KEPT_OUTPUT:],
            "exit_code": result.exit_code,
            "duration_seconds": round(result.duration_seconds, 3),
            "state": state,
            "whole": is_whole and is_short,
        }
        self._write()

    def end_without_result(self, index: int, state: CommandState) -> None:
        """Given the place of a command whose outcome nobody will learn, record how it ended."""
        self.document["commands"][index] |= {"state": state, "success": False}
        self.supersede([index])

    def supersede(self, indexes: list[int]) -> None:
        """Given the places of commands, mark that a resumed build must not take them for done."""
        for index in indexes:
            self.document["commands"][index]["superseded"] = True
        self._write()

    def finish(
        self, status: BuildStatus, now: datetime, strategy: StrategyName | None = None, error: D8Error | None = None
    ) -> None:
        """Given how it ended, close the log."""
        self.document |= {
            "status": status,
            "strategy": strategy,
            "error": self._masker.mask(str(error.message)) if error else None,
            "hint": self._masker.mask(str(error.hint)) or None if error else None,
            "trying": self.document["trying"] if status is BuildStatus.DETACHED else None,
            "duration_seconds": round((now - self._started).total_seconds(), 3),
        }
        self._write()

    def close(self, status: BuildStatus, error: D8Error) -> None:
        """Given why nobody will go on with this build, close its log; how long it took is not known."""
        self.document |= {"status": status, "error": str(error.message), "trying": None}
        self._write()

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._masker.mask(value)
        if isinstance(value, dict):
            return {key: self._masked(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._masked(item) for item in value]
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
