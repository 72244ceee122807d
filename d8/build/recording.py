"""What the log of an unfinished build still holds for good: which commands need not run again. Pure but for a cursor.

A build is a fixed sequence of commands, so a resumed one asks for the same ones in the same order. As long as it does,
it gets the recorded results; from the first difference on everything runs anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from d8.build.events import StepName
from d8.models import CommandResult, CommandState

UNKNOWN_TIMEOUT_SECONDS = 3600.0  # of a command in a log that does not say it
PREPARING = (StepName.PREFLIGHT, StepName.PREREQUISITES, StepName.SOURCE)


@dataclass(frozen=True)
class RecordedCommand:
    """A command of the log, by its place there. Without a result the slave has to be asked for its job."""

    index: int
    command: str
    job_id: str
    is_running: bool
    result: CommandResult | None = None
    timeout_seconds: float = UNKNOWN_TIMEOUT_SECONDS


@dataclass
class Recording:
    """Commands in their order, and uploads as name → (SHA-256, path on the slave)."""

    commands: list[RecordedCommand] = field(default_factory=list)
    uploads: dict[str, tuple[str, str]] = field(default_factory=dict)

    def take(self, command: str) -> RecordedCommand | None:
        """Given the (masked) command that comes next, return what was recorded of it; None when it is another one."""
        return self.commands.pop(0) if self.commands and self.commands[0].command == command else None

    def forget(self) -> list[RecordedCommand]:
        """Forget everything; return the commands that were not asked for."""
        rest, self.commands, self.uploads = self.commands, [], {}
        return rest

    def keep_uploads(self, digests: Mapping[str, str]) -> None:
        """Given the SHA-256 of the files on the slave by path, forget the uploads that are not there any more."""
        self.uploads = {name: (sha, path) for name, (sha, path) in self.uploads.items() if digests.get(path) == sha}

    def path_of(self, name: str, sha256: str) -> str | None:
        """Given an upload's name and digest, return its path if exactly this was sent already."""
        sent = self.uploads.get(name)
        return sent[1] if sent and sent[0] == sha256 else None


def read_recording(document: Mapping[str, Any]) -> Recording:
    """Given the log's object of an unfinished build, return what a resumed one need not repeat.

    That is the preparation, and the attempt that was not over. Attempts that failed are over; activation and handover
    are repeated with fresh credentials, for these were never written down.
    """
    over = len(document["attempts"])
    commands = [
        _recorded(index, entry)
        for index, entry in enumerate(document["commands"])
        if _is_repeatable(entry) and (entry["step"] in PREPARING or _is_of_attempt(entry, over))
    ]
    uploads = {entry["name"]: (entry["sha256"], entry["path"]) for entry in document.get("uploads", [])}
    return Recording(commands, uploads)


def unsettled(document: Mapping[str, Any], recording: Recording) -> list[RecordedCommand]:
    """Given a log's object and its recording, return the commands that may still run and will not be asked for."""
    wanted = {one.index for one in recording.commands}
    return [
        _recorded(index, entry)
        for index, entry in enumerate(document["commands"])
        if entry.get("state") == CommandState.RUNNING and index not in wanted
    ]


def _is_repeatable(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get("replayable")) and not entry.get("superseded")


def _is_of_attempt(entry: Mapping[str, Any], attempt: int) -> bool:
    return bool(entry["step"] == StepName.STRATEGY and entry["attempt"] == attempt)


def _recorded(index: int, entry: Mapping[str, Any]) -> RecordedCommand:
    is_running = entry["state"] == CommandState.RUNNING
    has_result = not is_running and entry["whole"]
    result = _result(entry) if has_result else None
    seconds = entry.get("timeout_seconds", UNKNOWN_TIMEOUT_SECONDS)
    return RecordedCommand(index, entry["command"], entry["job_id"], is_running, result, seconds)


def _result(entry: Mapping[str, Any]) -> CommandResult:
    return CommandResult(
        command=entry["command"],
        success=entry["success"],
        stdout=entry["stdout"],
        stderr=entry["stderr"],
        exit_code=entry["exit_code"],
        timestamp=datetime.fromisoformat(entry["timestamp"]),
        duration_seconds=entry["duration_seconds"],
        job_id=entry["job_id"],
        timed_out=entry["state"] == CommandState.TIMED_OUT,
    )
