"""Times as people read them. Pure."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """Given seconds, return 1:05 or 1:02:05, for something that runs."""
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def duration(seconds: float) -> str:
    """Given seconds, return 0.4 s, 12 s, 3 min 5 s, 2 h 10 min or 4 d 3 h, for something that is over."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole // 60 % 60} min"
    return f"{whole // 86400} d {whole // 3600 % 24} h"
