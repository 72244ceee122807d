"""The error of a command that had to succeed, and the words of its output that say most."""

from __future__ import annotations

import re

from d8.congress.diagnosis import telling_line
from d8.errors import BuildFailed
from d8.messages import Message
from d8.models import CommandResult

KEPT_FOR_DIAGNOSIS = 8000  # characters of each stream
# What Docker says of a line of a Dockerfile that failed; why it did was printed before, by both of Docker's builders.
REPEATS_THE_COMMAND = re.compile(r"returned a non-zero code: \d+$|did not complete successfully: exit code: \d+$")
ERROR_INSIDE = re.compile(
    r"^(?:#\d+ [\d.]+ )?((?:[\w.]+(?:Error|Exception)|E|ERROR|error): (?!failed to solve|process \").*)$", re.MULTILINE
)


class CommandFailed(BuildFailed):
    """A command that had to succeed did not; carries its result for whoever explains it."""

    def __init__(self, result: CommandResult, purpose: Message) -> None:
        self.result, self.reason = result, _last_words(result)
        super().__init__(
            "{purpose} failed: {reason}",
            "The whole output is in the build log.",
            purpose=purpose,
            reason=self.reason,
        )


def last_output(error: BaseException) -> str:
    """Given what ended a step, return the end of what its command printed, masked; empty when there was no command."""
    failed = error if isinstance(error, CommandFailed) else error.__cause__
    if not isinstance(failed, CommandFailed):
        return ""
    return f"{failed.result.stdout[-KEPT_FOR_DIAGNOSIS:]}\n{failed.result.stderr[-KEPT_FOR_DIAGNOSIS:]}".strip()


def _last_words(result: CommandResult) -> str:
    """The line that says most, else the exit code: what stands in an error message."""
    if result.timed_out:
        return f"no end after {result.duration_seconds:.0f} s"
    output = result.stderr or result.stdout
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = telling_line(output) or (lines[-1] if lines else "")
    if REPEATS_THE_COMMAND.search(told):
        told = _error_inside(f"{result.stdout}\n{result.stderr}") or told
    return f"{told[:300]} (exit {result.exit_code})" if told else f"exit {result.exit_code}"


def _error_inside(output: str) -> str:
    """The last error of whatever a line of a Dockerfile ran; empty where none looks like one."""
    return next((found.group(1).strip() for found in reversed(list(ERROR_INSIDE.finditer(output)))), "")
