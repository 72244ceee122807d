"""When to try a strategy again. Pure: given the failure and the attempt, an answer; nobody sleeps here."""

from __future__ import annotations

from dataclasses import dataclass

from d8.build.command_failed import last_output
from d8.congress.diagnosis import is_lasting
from d8.errors import Cancelled, PermanentFailure, Refused


@dataclass(frozen=True)
class RetryPolicy:
    """How many attempts a strategy gets, and the seconds between two (the mission's text: 3 and 10)."""

    attempts: int
    delay_seconds: float

    def delay_after(self, attempt: int, failure: Exception) -> float | None:
        """Given the attempt (from 1) and its failure, return the seconds until the next one; None: give up."""
        is_pointless = isinstance(failure, (PermanentFailure, Refused, Cancelled)) or is_lasting(last_output(failure))
        return None if is_pointless or attempt >= self.attempts else self.delay_seconds
