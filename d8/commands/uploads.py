"""The files that the master has sent to a slave's work folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from d8.shell import ShellCommand, command, script

MADE_BESIDE = ("uv", "uv-cache")  # by d8/commands/venv.py and the strategies


def digests(paths: Iterable[str]) -> ShellCommand:
    """Given paths, return the command that prints the SHA-256 of those that are there."""
    return ShellCommand(f"{command('sha256sum', '--', *paths)} 2>/dev/null; {script('true')}")


def read_digests(answer: str) -> dict[str, str]:
    """Given what it printed, return the digests by path."""
    pairs = (line.split("  ", 1) for line in answer.splitlines() if "  " in line)
    return {path: digest for digest, path in pairs}


def remove(paths: Iterable[str]) -> ShellCommand:
    """Given the paths of files that were sent, return the command that removes them and what was unpacked beside
    them."""
    sent = list(paths)
    folders = {str(PurePosixPath(path).parent) for path in sent}
    unpacked = [path.removesuffix(".tar") for path in sent if path.endswith(".tar")]
    made = [f"{folder}/{name}" for folder in sorted(folders) for name in MADE_BESIDE]
    return command("rm", "-rf", "--", *sent, *unpacked, *made)
