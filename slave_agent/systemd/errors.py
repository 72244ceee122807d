"""What can go wrong around units: one root, with a message and the operator's next action."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slave_agent.systemd.document_rules import FieldProblem


class SystemdError(Exception):
    """systemd, its journal or one of their files did not answer as it should."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidConfig(SystemdError):
    """A document that describes no app. `problems` lists everything that is wrong with it, each with its field."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__(
            "; ".join(f"{one.field}: {one.message}" for one in problems), "Correct the fields and send it again."
        )
        self.problems = tuple(problems)


class UnprovenUnit(SystemdError):
    """A rendered text that, read back, does not say exactly what was asked for. It must not be installed."""


class Refused(SystemdError):
    """What was asked for an app is not allowed or not possible here. `problems` names the fields that are to blame."""

    def __init__(self, message: str, hint: str = "", problems: Sequence[FieldProblem] = ()) -> None:
        super().__init__(message, hint)
        self.problems = tuple(problems)


class Busy(SystemdError):
    """Another operation on the same app took longer than one waits for it; asking again helps."""
