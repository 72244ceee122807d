"""The only module that runs processes, apart from the job engine. A non-zero exit is data; what to run is decided
elsewhere.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Protocol

from slave_agent.models import CommandResult


class Runner(Protocol):
    """How the rest of the agent reaches processes; tests bring their own."""

    def __call__(self, command: Sequence[str], timeout_seconds: float) -> CommandResult:
        """Given an argv and a time limit, return how it ended."""


def run(command: Sequence[str], timeout_seconds: float) -> CommandResult:
    """Given an argv and a time limit, run it without a shell and without input. Never raises: what failed is in the
    result.
    """
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return CommandResult(None, "", f"{command[0]} did not end within {timeout_seconds:g} s")
    except OSError as error:
        return CommandResult(None, "", f"{command[0]} could not be started: {error.strerror}")
    return CommandResult(done.returncode, done.stdout, done.stderr)
