"""Runs a Python file on Linux with what Windows lacks taken away: `python windows_like.py FILE ARGUMENTS…`.

Not a Windows: no drive letters, no sharing rules of files, no console. It shows what imports, calls and flags are used.
"""

from __future__ import annotations

import ctypes
import fcntl
import getpass
import importlib.abc
import multiprocessing.connection
import os
import platform
import runpy
import select
import shutil
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import types
from pathlib import Path

LOADED_BEFORE = (ctypes, getpass, multiprocessing.connection, shutil, socketserver, ssl, tempfile)
MISSING_MODULES = ("fcntl", "pwd", "grp", "resource", "termios")
MISSING_NAMES = {
    os: ("geteuid", "getuid", "getgid", "getegid", "O_CLOEXEC", "statvfs", "memfd_create", "pipe2", "fork", "setsid",
         "killpg", "getpgid", "WIFEXITED", "WEXITSTATUS", "WTERMSIG"),
    signal: ("SIGKILL", "SIGCHLD", "SIGSTOP", "SIGCONT", "SIGHUP"),
    select: ("poll", "epoll"),
}  # fmt: skip
NOT_THERE = ("/proc", "/etc/", "/run/systemd", "/var/lib/dbus", "/sys/")
WINDOWS_ONLY_FLAGS = 0x08000200
KILL_TREE = """
import os, signal, sys
def children(pid):
    for folder in os.listdir("/proc"):
        try:
            with open(f"/proc/{folder}/stat") as stat:
                if stat.read().rpartition(")")[2].split()[1] == str(pid):
                    yield int(folder)
        except OSError:
            continue
def end(pid):
    os.kill(pid, signal.SIGSTOP)
    for child in list(children(pid)):
        end(child)
    os.kill(pid, signal.SIGKILL)
end(int(sys.argv[1]))
"""
ORIGINAL = subprocess.Popen


class Absent(importlib.abc.MetaPathFinder):
    """Finds no POSIX module."""

    def find_spec(self, name, path=None, target=None):
        if name in MISSING_MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}")


def locking(descriptor: int, mode: int, count: int) -> None:
    """msvcrt.locking: bound to the open file, like flock; at once or OSError."""
    assert (mode, count) == (2, 1) and os.lseek(descriptor, 0, os.SEEK_CUR) >= 1 << 20
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class WindowsPopen(ORIGINAL):
    """CreateProcess as far as it is used: a text is cmd.exe's line, a list a program; no POSIX option is taken."""

    def __init__(self, args, **options):
        assert "preexec_fn" not in options, "Windows has no preexec_fn"
        flags = options.pop("creationflags", 0)
        assert flags in (0, WINDOWS_ONLY_FLAGS), hex(flags)
        options.pop("start_new_session", None)  # Windows takes and ignores it
        super().__init__(self.translated(args), **options)

    @staticmethod
    def translated(args):
        if isinstance(args, str):
            before = f'"{os.environ["COMSPEC"]}" /d /s /c "'
            assert args.startswith(before) and args.endswith('"'), args
            return ["/bin/sh", "-c", args[len(before) : -1]]
        words = [str(word) for word in args]
        if words[0] == "taskkill":
            assert words[1:4] == ["/T", "/F", "/PID"]
            return [sys.executable, "-c", KILL_TREE, words[4]]
        if words[0] == "icacls":
            return ["true"]
        assert words[0] == sys.executable, f"Windows has no program {words[0]}"
        plain = [word for word in words[1:] if word not in ("-I", "-S")]
        return [sys.executable, str(Path(__file__).resolve()), *plain]

    def send_signal(self, number):
        ORIGINAL.send_signal(self, signal.SIGTERM)

    def kill(self):
        ORIGINAL.send_signal(self, 9)


class WindowsSocket(socket.socket):
    """On Windows connections of the last minute don't keep their port from a new server."""

    def bind(self, address):
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        super().bind(address)


def hide(name: str) -> None:
    """Let a method of Path find nothing where Windows has nothing."""
    original = getattr(Path, name)

    def look(self, *arguments, **options):
        if str(self).startswith(NOT_THERE):
            if name in ("is_dir", "exists"):
                return False
            raise FileNotFoundError(str(self))
        return original(self, *arguments, **options)

    setattr(Path, name, look)


def pretend() -> None:
    """Take away and put in place."""
    for name in MISSING_MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Absent())
    windows = types.ModuleType("msvcrt")
    windows.LK_NBLCK, windows.locking = 2, locking  # type: ignore[attr-defined]
    sys.modules["msvcrt"] = windows
    for module, names in MISSING_NAMES.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    for name in ("read_text", "read_bytes", "is_dir", "iterdir", "exists", "glob"):
        hide(name)
    os.O_BINARY = 0  # type: ignore[attr-defined]
    os.environ.setdefault("COMSPEC", "C:\\Windows\\system32\\cmd.exe")
    os.environ["USERNAME"] = "leo"
    platform.system = lambda: "Windows"
    platform.release = lambda: "11"
    socket.socket = WindowsSocket  # type: ignore[misc]
    subprocess.Popen = WindowsPopen  # type: ignore[misc]


if __name__ == "__main__":
    pretend()
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
