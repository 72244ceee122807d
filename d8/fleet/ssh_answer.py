"""Hands ssh one password or passphrase, once: through a pipe with a name in a private folder, by way of SSH_ASKPASS.

The secret is never an argument, in an environment or on a disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from d8.errors import UsageError

# The longest answer that ssh reads (readpass.c has a buffer of 1024 bytes).
LONGEST_ANSWER_BYTES = 1000
# The pipe is renamed before it is read: whoever asks a second time gets nothing.
ASKPASS = """#!/bin/sh
case $1 in {refused}) exit 1 ;; esac
cd "${{0%/*}}" && mv answer given 2>/dev/null || exit 1
IFS= read -r answer <given && printf '%s\\n' "$answer"
"""


class AnswerKind(StrEnum):
    """What ssh may be told, and so to which of its questions."""

    PASSWORD = "password"  # noqa: S105  the name of a kind
    PASSPHRASE = "passphrase"  # noqa: S105


REFUSED_QUESTIONS = {
    AnswerKind.PASSWORD: "*assphrase* | *yes/no*",
    AnswerKind.PASSPHRASE: "*assword* | *yes/no*",
}


@dataclass(frozen=True)
class Answer:
    """A secret for ssh. Raises UsageError for one that ssh could not read as a whole."""

    kind: AnswerKind
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        size = len(self.secret.encode())
        if not 0 < size <= LONGEST_ANSWER_BYTES or any(character in self.secret for character in "\n\r\0"):
            raise UsageError(
                "this can't be a password: it is empty, longer than {most} bytes or of several lines",
                "Type it again.",
                most=LONGEST_ANSWER_BYTES,
            )


@contextmanager
def waiting(answer: Answer, folder: Path) -> Iterator[dict[str, str]]:
    """Given an answer and a private folder, keep it ready for one question; yields what ssh's environment needs."""
    pipe, askpass = folder / "answer", folder / "askpass"
    os.mkfifo(pipe, 0o600)
    askpass.write_text(ASKPASS.format(refused=REFUSED_QUESTIONS[answer.kind]))
    askpass.chmod(0o700)
    descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)  # open for both: nobody has to wait for us
    try:
        os.write(descriptor, answer.secret.encode() + b"\n")
        # DISPLAY: before OpenSSH 8.4 nothing is asked for without one.
        yield {"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": os.environ.get("DISPLAY", ":0")}
    finally:
        os.close(descriptor)
        for name in ("answer", "given", "askpass"):
            (folder / name).unlink(missing_ok=True)
