"""Paths as people write them."""

from __future__ import annotations

from pathlib import Path


def home_short(path: Path) -> str:
    """Given a path, return it with ~ for the home folder."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)
