"""What is said of one slave when the master itself fails with it."""

from __future__ import annotations

from d8.messages import Message, message


def unexpected(error: Exception) -> Message:
    """Given an exception that nobody foresaw, return what the operator is told. Pure."""
    return message("the master failed with this slave: {reason}", reason=f"{type(error).__name__}: {error}")
