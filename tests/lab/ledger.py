"""What a lab has made on the machine, written down before it is made, so that anyone can take it away later.

A lab that was killed at any moment leaves a ledger behind that lists at least what there is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class TraceKind(StrEnum):
    """The kinds of things a lab makes outside its own process."""

    FOLDER = "folder"
    FILE = "file"
    MOUNT = "mount"
    LINK = "link"
    RULE = "rule"
    CGROUP = "cgroup"


@dataclass(frozen=True)
class Trace:
    """One thing made: its kind, the words that identify it (a path, a name, an iptables rule), and whose it is.

    The owner is a host's index, or empty for what belongs to the whole lab.
    """

    kind: TraceKind
    words: tuple[str, ...]
    owner: str = ""


def encode(event: str, trace: Trace) -> str:
    """Return the ledger's line for `made` or `gone`."""
    entry = {"event": event, "kind": trace.kind.value, "words": trace.words, "owner": trace.owner}
    return json.dumps(entry) + "\n"


def standing(text: str) -> list[Trace]:
    """Given a ledger's text, return what was made and is not gone, in the order of making.

    A line that was torn by a kill announced something that was never begun, so it counts for nothing.
    """
    traces: dict[Trace, None] = {}
    for line in text.splitlines():
        try:
            entry = json.loads(line)
            trace = Trace(TraceKind(entry["kind"]), tuple(entry["words"]), entry["owner"])
        except (ValueError, KeyError, TypeError):
            continue
        if entry.get("event") == "made":
            traces[trace] = None
        else:
            traces.pop(trace, None)
    return list(traces)


@dataclass(frozen=True)
class Ledger:
    """The file that holds a lab's traces. Each line is one append, so two processes may write to it."""

    path: Path

    def will_make(self, *traces: Trace) -> None:
        """Write down what is about to be made."""
        self._append("made", traces)

    def is_gone(self, *traces: Trace) -> None:
        """Write down what has been taken away."""
        self._append("gone", traces)

    def standing(self) -> list[Trace]:
        """Return what is (or may be) on the machine, in the order of making."""
        try:
            return standing(self.path.read_text())
        except FileNotFoundError:
            return []

    def _append(self, event: str, traces: tuple[Trace, ...]) -> None:
        with self.path.open("a") as file:
            file.write("".join(encode(event, trace) for trace in traces))
