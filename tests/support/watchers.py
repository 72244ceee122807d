"""Many viewers of a log, started as a process: see log_viewers.py."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]


@dataclass
class Watchers:
    """The running process."""

    process: subprocess.Popen[str]

    def await_word(self, word: str) -> None:
        """Wait until it says a word."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == word

    def leave(self) -> list[dict[str, Any]]:
        """Let them all disconnect, and return what each has seen."""
        stdout, _ = self.process.communicate("leave\n", timeout=60)
        seen: list[dict[str, Any]] = json.loads(stdout)
        return seen


@contextmanager
def watchers(uri: str, token: str, count: int, stalled: int, last: int, seconds: int) -> Iterator[Watchers]:
    """Start the viewers, and return when all are connected."""
    words = [uri, str(count), str(stalled), str(last), str(seconds)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.log_viewers", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(f"{token}\n")
        process.stdin.flush()
        started = Watchers(process)
        started.await_word("ready")
        yield started
    finally:
        process.kill()
        process.wait()
