"""The files that the master has sent to a slave's work folder."""

from __future__ import annotations

from collections.abc import Iterable

from d8.shell import ShellCommand, command, script


def digests(paths: Iterable[str]) -> ShellCommand:
    """Given paths, return the command that prints the SHA-256 of those that are there."""
    return ShellCommand(f"{command('sha256sum', '--', *paths)} 2>/dev/null; {script('true')}")


def read_digests(answer: str) -> dict[str, str]:
    """Given what it printed, return the digests by path."""
    pairs = (line.split("  ", 1) for line in answer.splitlines() if "  " in line)
    return {path: digest for digest, path in pairs}
