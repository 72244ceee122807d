"""Shell commands as values: quoted when made, joined without surprises. Nothing is run here."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ShellCommand:
    """A command line for /bin/sh. Made by `command()` from words it quotes, or by `script()` from trusted text."""

    line: str

    def and_then(self, following: ShellCommand) -> ShellCommand:
        """Return this command followed by the other one if this one succeeds."""
        return ShellCommand(f"{self.line} && {following.line}")

    def as_root(self, prefix: tuple[str, ...]) -> ShellCommand:
        """Given the words that give root (none when it is root already), return the whole command run as root."""
        return ShellCommand(f"{shlex.join(prefix)} sh -c {shlex.quote(self.line)}") if prefix else self

    def __str__(self) -> str:
        return self.line


def command(*words: object) -> ShellCommand:
    """Given the words of one command, return it with each word quoted."""
    return ShellCommand(shlex.join(str(word) for word in words))


def script(line: str) -> ShellCommand:
    """Given shell text of our own that holds nothing from outside, return it as a command."""
    return ShellCommand(line)


def own_words(words: Sequence[str]) -> list[str]:
    """Given the words of one of our command lines, return those before `--`: what follows is a command for slaves."""
    return list(words[: words.index("--")] if "--" in words else words)
