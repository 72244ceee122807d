"""The master's exceptions: the message names what failed, the hint says what to do next."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from d8.messages import Message


class ExitCode(IntEnum):
    """What a command tells the shell; the numbers are a contract with scripts."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    PARTLY_DONE = 5


class D8Error(Exception):
    """Something the operator has to know about.

    Given the English templates of what failed and of what to do next, and the values for their {names}. Each kind has
    the exit code that a command ends with.
    """

    exit_code = ExitCode.FAILED

    def __init__(self, template: str, hint: str = "", **values: object) -> None:
        self.message = Message(template, values)
        self.hint = Message(hint, values)
        super().__init__(str(self.message))

    def as_json(self) -> dict[str, Any]:
        """Return the object that a command prints instead of its answer."""
        return {"error": str(self.message), "hint": str(self.hint)}


class UsageError(D8Error):
    """The command, an option or a name was wrong: nothing was done."""

    exit_code = ExitCode.WRONG_USAGE


class SettingsError(UsageError):
    """The environment or .env holds values that can't be used; the message lists all of them."""


class SlaveUnreachable(D8Error):
    """No answer from the slave: refused, timed out, no route, or not a D8 server."""

    exit_code = ExitCode.UNREACHABLE


class Refused(D8Error):
    """The slave or the master said no: token, certificate, rights, platform."""

    exit_code = ExitCode.REFUSED


class TokenRefused(Refused):
    """The slave knows this token no more, or never did."""


class BuildFailed(D8Error):
    """The build ended without a running agent."""


class PermanentFailure(BuildFailed):
    """A step failed for a reason that repetition can't mend: its strategy ends at once."""


class Cancelled(D8Error):
    """The operator stopped the work."""


class Terminated(KeyboardInterrupt):
    """A polite request to end (SIGTERM, or a closed terminal): nobody is there to be asked."""
