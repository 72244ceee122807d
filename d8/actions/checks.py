"""What the doctor finds: one check, its outcome, its remedy. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from d8.errors import ExitCode
from d8.messages import NOTHING, Message


class CheckState(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report. `fix` is the operator's next action, empty when all is well."""

    name: Message
    state: CheckState
    outcome: Message
    fix: Message = NOTHING

    def as_json(self) -> dict[str, Any]:
        """Return this check's object in `doctor --json`."""
        return {
            "name": str(self.name),
            "state": self.state.value,
            "outcome": str(self.outcome),
            "fix": str(self.fix) or None,
        }


def doctor_exit_code(checks: Sequence[Check]) -> ExitCode:
    """Given the checks, return the exit code: warnings are no failure. Pure."""
    return ExitCode.FAILED if any(check.state is CheckState.FAILED for check in checks) else ExitCode.DONE
