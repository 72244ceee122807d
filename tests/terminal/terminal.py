"""A real terminal without a screen: start_d8.py in a pseudo-terminal, its output on an emulated 80 by 24."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte

PROJECT = Path(__file__).resolve().parents[2]
COLUMNS, LINES = 80, 24


def new_screen(columns: int = COLUMNS, lines: int = LINES) -> tuple[pyte.HistoryScreen, pyte.ByteStream]:
    """An emulated screen that remembers what has scrolled off, and the stream that draws on it."""
    screen = pyte.HistoryScreen(columns, lines, history=2000)
    return screen, pyte.ByteStream(screen)


def everything_on(screen: pyte.HistoryScreen) -> str:
    """What stands on a screen and what has scrolled off its top."""
    gone = ["".join(line[column].data for column in range(screen.columns)).rstrip() for line in screen.history.top]
    return "\n".join([*gone, *(line.rstrip() for line in screen.display)]).rstrip()


class Terminal:
    """A program in a terminal. Given the words after start_d8.py, a folder for its state, and more environment;
    `checkout` is whose start_d8.py it is.
    """

    def __init__(
        self,
        *words: str,
        folder: Path,
        columns: int = COLUMNS,
        lines: int = LINES,
        checkout: Path = PROJECT,
        **environ: str,
    ) -> None:
        self.screen, self._stream = new_screen(columns, lines)
        self.raw = b""
        own = {
            "D8_DATA_DIR": str(folder / "data"),
            "D8_ENV_FILE": str(folder / "none.env"),
            "D8_INSTALLER_DIR": str(folder / "installers"),
            "D8_MASTER_ADDRESS": "192.0.2.10",
            "D8_CONNECT_TIMEOUT": "2",
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
        }
        self.process = pexpect.spawn(
            sys.executable,
            [str(checkout / "start_d8.py"), *words],
            env={**os.environ, **own, **environ},
            dimensions=(lines, columns),
            timeout=30,
        )

    def close(self) -> None:
        """End the program."""
        self.process.close(force=True)

    @property
    def text(self) -> str:
        """What stands on the screen now, without the blanks at the ends of lines."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    @property
    def everything(self) -> str:
        """The screen and what has scrolled off its top."""
        return everything_on(self.screen)

    def press(self, keys: str) -> None:
        """Type."""
        self.process.send(keys)

    def wait_for(self, wanted: str | Callable[[Terminal], bool], seconds: float = 30) -> str:
        """Read until the text is on the screen (or the condition holds); return the screen."""
        condition = (lambda terminal: wanted in terminal.text) if isinstance(wanted, str) else wanted
        deadline = time.monotonic() + seconds
        while not condition(self):
            assert time.monotonic() < deadline, f"{wanted!r} never came; the screen:\n{self.text}"
            self._read()
        return self.text

    def wait_for_end(self, seconds: float = 30) -> int:
        """Read until the program has ended; return its exit code."""
        deadline = time.monotonic() + seconds
        while self._read():
            assert time.monotonic() < deadline, f"it never ended; the screen:\n{self.text}"
        self.process.wait()
        assert self.process.exitstatus is not None, f"killed by signal {self.process.signalstatus}"
        return int(self.process.exitstatus)

    def _read(self) -> bool:
        try:
            data = self.process.read_nonblocking(65536, timeout=0.1)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self._stream.feed(data)
        return True
