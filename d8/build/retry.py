"""When to try a strategy again. Pure: given the failure and the attempt, an answer; nobody sleeps here."""

from __future__ import annotations

from dataclasses import dataclass

from d8.errors import Cancelled, PermanentFailure, Refused


@dataclass(frozen=True)
class RetryPolicy:
    """How many attempts a strategy gets, and the seconds between two (the mission's text: 3 and 10)."""

    attempts: int
    delay_seconds: float

    def delay_after(self, attempt: int, failure: Exception) -> float | None:
        """Given the attempt (from 1) and its failure, return the seconds until the next one; None: give up."""
        if isinstance(failure, (PermanentFailure, Refused, Cancelled)) or attempt >= self.attempts:
            return None
        return self.delay_seconds
