"""The command `demo`: shows the main job step by step."""

from __future__ import annotations

from d8.cli.run import Run
from d8.errors import D8Error, ExitCode


def run_demo(run: Run, keep: bool) -> ExitCode:
    """Given whether to keep the slave, run the demo and say what to try next."""
    raise D8Error("not yet")
