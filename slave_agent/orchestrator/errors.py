"""Why something could not be done with an app. What each becomes in HTTP is api/problems.py's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from slave_agent.errors import AgentError
from slave_agent.models import JsonObject
from slave_agent.systemd.service_config import FieldProblem


class AppError(AgentError):
    """Something about one app."""


class NoSuchApp(AppError):
    """No app of this name is registered."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no app is called {name[:60]!r}", "GET /api/apps lists those that there are.")


class NameTaken(AppError):
    """An app, or a unit that D8 did not write down, has this name."""


class TooSoon(AppError):
    """The app had an operation less than a second ago, or has one under way and another waiting."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(
            f"{name} takes one operation a second", "Send it again after the seconds that Retry-After says."
        )
        self.seconds = seconds


class AgentStops(AppError):
    """The agent was told to stop while an operation was under way."""


class RecordNotKept(AppError):
    """What the agent has to remember of an app can't be written."""


class RecordLost(AppError):
    """What the agent had written down of an app is gone, so that it can't be changed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"what was written down of {name} is lost", "Remove it with DELETE, then register it again.")


class WrongFields(AppError):
    """What was sent describes no app that could run here; `problems` names every field."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        listed = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        super().__init__(listed, "Correct the fields in 'problems' and send it again.")
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Failure:
    """How an app ended: systemd's word, the exit code or the signal, and its last log lines."""

    result: str
    exit_code: int | None
    signal: str | None
    restarts: int
    log: tuple[str, ...]

    def as_json(self) -> JsonObject:
        """Return the members that a problem carries."""
        return {
            "result": self.result,
            "exit_code": self.exit_code,
            "signal": self.signal,
            "restarts": self.restarts,
            "log": list(self.log),
        }


class DidNotStayUp(AppError):
    """The app ended within its stabilisation time. `restored`: None where nothing was to be put back."""

    def __init__(self, message: str, hint: str, failure: Failure, restored: bool | None = None) -> None:
        super().__init__(message, hint)
        self.failure = failure
        self.restored = restored
