"""The .venv beside the checkout: made once, complete or redone, marked by a stamp of what is in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from d8.errors import D8Error
from d8.first_run.pip_progress import PipProgress, count_requirements
from d8.processes import run, stream

STAMP = ".d8-complete"
STARTED = ".d8-started"
LAST_LINES = 15
PIP_INSTALL = ("-m", "pip", "install", "--require-hashes", "--no-deps", "--retries", "2", "--timeout", "30",
               "--progress-bar", "off", "--disable-pip-version-check", "--no-input")  # fmt: skip

Report = Callable[[PipProgress], None]


class Environment:
    """The project's .venv. Given the project's folder and the locked file to install, inside that folder."""

    def __init__(self, project: Path, locked: str = "requirements.txt") -> None:
        self.folder = project / ".venv"
        self.python = self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self._project = project
        self._locked = project / locked

    def is_complete(self) -> bool:
        """Whether everything that the locked file names is installed, for the Python that is there now."""
        try:
            return (self.folder / STAMP).read_text().splitlines().count(self._mark()) > 0
        except OSError:
            return False

    def install(self, report: Report) -> None:
        """Make the environment and install the locked packages. Given who is told how far it is.

        What an interrupted set-up left is removed first. Raises D8Error.
        """
        if not self._is_usable():
            if self.folder.exists():
                self._remove_our_own()
            self.folder.mkdir()
            (self.folder / STARTED).touch()
            self._make()
        (self.folder / STARTED).touch()
        (self.folder / STAMP).unlink(missing_ok=True)
        self._install_packages(report)
        (self.folder / STAMP).write_text(self._stamp())
        (self.folder / STARTED).unlink()

    def _is_usable(self) -> bool:
        """An environment that works and was not left half made; a developer's own is kept."""
        if not self.python.exists() or (self.folder / STARTED).exists():
            return False
        return self._has_pip() or self._can_get_pip()

    def _has_pip(self) -> bool:
        return run([self.python, "-m", "pip", "--version"], timeout_seconds=60).exit_code == 0

    def _can_get_pip(self) -> bool:
        """Environments of other tools come without pip: give it to the one that is there."""
        return run([self.python, "-m", "ensurepip"], timeout_seconds=300).exit_code == 0 and self._has_pip()

    def _remove_our_own(self) -> None:
        """Remove what an earlier set-up left. Raises D8Error for a folder that bears no mark of one."""
        if not any((self.folder / mark).exists() for mark in (STARTED, STAMP)) and any(self.folder.iterdir()):
            raise D8Error(
                "{folder} is there, but it is no environment that D8 can use, and D8 did not make it",
                "Move it away, then start again; or put pip into it.",
                folder=self.folder,
            )
        shutil.rmtree(self.folder)

    def _make(self) -> None:
        made = run([sys.executable, "-m", "venv", self.folder], timeout_seconds=600)
        if made.exit_code != 0:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise D8Error(
                "the folder {folder} can't be made: {reason}",
                "Is there room on the disk, and may you write here?",
                folder=self.folder,
                reason=(made.text or made.stderr.strip())[-500:],
            )

    def _install_packages(self, report: Report) -> None:
        lines: list[str] = []
        progress = PipProgress(count_requirements(self._locked.read_text()))

        def observe(line: str) -> None:
            nonlocal progress
            lines.append(line)
            progress = progress.after(line)
            report(progress)

        exit_code = stream([self.python, *PIP_INSTALL, "-r", self._locked], observe, cwd=self._project)
        if exit_code == 0:
            return
        if progress.has_no_network:
            raise D8Error(
                "the packages that D8 needs can't be downloaded: no network",
                "Connect this machine to the internet (or set PIP_INDEX_URL to a mirror) and start again.",
            )
        raise D8Error(
            "installing the packages that D8 needs failed: {reason}",
            "Start again; if it fails in the same way, the last lines above say why.",
            reason="\n".join(lines[-LAST_LINES:]),
        )

    def _mark(self) -> str:
        """One line of the stamp: which locked file, which content, which Python."""
        digest = hashlib.sha256(self._locked.read_bytes()).hexdigest()
        return f"{self._locked.name} {digest} {self.python.resolve()}"

    def _stamp(self) -> str:
        """The development file holds everything that the product's own holds, so that both are complete."""
        product = Environment(self._project)
        return "".join(f"{mark}\n" for mark in dict.fromkeys([self._mark(), product._mark()]))


def is_venv_available() -> bool:
    """Whether this Python can make environments; Debian ships it without ensurepip."""
    return find_spec("venv") is not None and find_spec("ensurepip") is not None


@contextmanager
def only_one_at_a_time(folder: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Given the project's folder, let one set-up run in it; a second one says that it waits, and waits."""
    if os.name == "nt":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
