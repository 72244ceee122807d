"""What lies under the layers of a network library's exception. Pure."""

from __future__ import annotations


def innermost_cause(error: Exception) -> Exception:
    """Given an exception, return the one that it wraps in the end.

    Libraries put it into `reason`, `args` or `__cause__`. Not `__context__`: that leads to whatever our callers were
    handling.
    """
    cause = error
    while inner := next((one for one in _wrapped_by(cause) if isinstance(one, Exception)), None):
        cause = inner
    return cause


def _wrapped_by(error: Exception) -> tuple[object, ...]:
    return (getattr(error, "reason", None), *error.args, error.__cause__)
