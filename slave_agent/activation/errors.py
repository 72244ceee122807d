"""The one exception of the activation: its message says what failed, its hint what to do next."""

from __future__ import annotations


class ActivationError(Exception):
    """Given the message and the operator's next action; becomes {"error", "hint"} and exit code 1."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
