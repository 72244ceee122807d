"""Every option as a command, for scripts and tests: JSON, no questions, stable exit codes. Same actions as the menu."""

from __future__ import annotations

from d8.cli.main import main

__all__ = ["main"]
