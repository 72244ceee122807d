"""What can be wrong with an app, beyond what can be wrong with a slave.

An app that is not there and a description that can't be used are wrong usage; one that does not stay up is a failure.
"""

from __future__ import annotations

from typing import Any

from d8.app_models import FieldProblem
from d8.errors import D8Error, UsageError


class UnknownApp(UsageError):
    """No app of that name is registered there."""


class UnusableApp(UsageError):
    """A description of an app with what is wrong in it, field by field."""

    def __init__(self, template: str, hint: str, problems: tuple[FieldProblem, ...], **values: object) -> None:
        super().__init__(template, hint, **values)
        self.problems = problems

    def as_json(self) -> dict[str, Any]:
        """Return the object that a command prints: also what is wrong with each field."""
        return {**super().as_json(), "problems": [problem.__dict__ for problem in self.problems]}


class AppNotUp(D8Error):
    """An app did not stay up: `document` says how it ended, `log` are its last lines."""

    def __init__(
        self, template: str, hint: str, document: dict[str, Any], log: tuple[str, ...], **values: object
    ) -> None:
        super().__init__(template, hint, **values)
        self.document = document
        self.log = log

    def as_json(self) -> dict[str, Any]:
        """Return the object that a command prints: also how the app ended."""
        ending = {name: self.document.get(name) for name in ("exit_code", "signal", "result")}
        return {**super().as_json(), **ending, "log": list(self.log), "restored": bool(self.document.get("restored"))}
