"""What differs between Linux and Windows, asked of the modules that are there. On Windows a bootstrap runs commands,
no more.

Never run on a real Windows: tests take the POSIX modules away on Linux instead.
"""

from __future__ import annotations

import getpass
import importlib
import os
import time
from pathlib import Path
from types import ModuleType

WITHOUT_A_CONSOLE = 0x08000200
"""CREATE_NO_WINDOW and CREATE_NEW_PROCESS_GROUP: what Windows knows instead of a session of its own."""

LOCKED_BYTE = 1 << 30
"""Windows locks bytes, and nobody else may read a locked one: this one is beyond the end of the file."""

SHARING_SECONDS = 2.0


def module_or_none(name: str) -> ModuleType | None:
    """Return a module of the standard library, or None where this system has none of that name."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


HAS_POSIX = module_or_none("fcntl") is not None
BACKGROUND_FLAGS = 0 if HAS_POSIX else WITHOUT_A_CONSOLE
OPEN_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""For every os.open: not inherited, and bytes stay what they are."""


def lock_now(descriptor: int, is_shared: bool = False) -> bool:
    """Lock an open file if that is possible at once, and return whether it was. It is freed when the file is closed."""
    locks = module_or_none("fcntl")
    try:
        if locks is not None:
            locks.flock(descriptor, (locks.LOCK_SH if is_shared else locks.LOCK_EX) | locks.LOCK_NB)
        else:
            windows = importlib.import_module("msvcrt")
            os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
            windows.locking(descriptor, windows.LK_NBLCK, 1)
    except OSError:
        return False
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return True


def user_name_of(number: int | None = None) -> str:
    """Return the name of a user by number, our own without one; the number where it has no name."""
    users = module_or_none("pwd")
    if users is None:
        return getpass.getuser()
    number = os.geteuid() if number is None else number
    try:
        return str(users.getpwuid(number).pw_name)
    except KeyError:
        return str(number)


def is_root() -> bool:
    """Whether we are root. Windows has none."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def rename_over(source: Path, target: Path) -> None:
    """Give `source` the name of `target`. Windows refuses while somebody has the old one open: then try again."""
    deadline = time.monotonic() + SHARING_SECONDS
    while True:
        try:
            source.replace(target)
            return
        except PermissionError:
            if HAS_POSIX or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
