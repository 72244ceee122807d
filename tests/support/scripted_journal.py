"""A stand-in for journalctl where there is no journal: the same options, the same JSON lines, from a file.

It fails on any option that it does not know. The real one answers in tests/lab_cases/test_logs.py.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path(__file__).resolve()
SOURCE = "5" * 32
BOOT = "b" * 32
EPOCH_MICROSECONDS = 1_700_000_000_000_000


def cursor_of(number: int) -> str:
    return f"s={SOURCE};i={number + 1:x};b={BOOT};m={number:x};t={EPOCH_MICROSECONDS + number * 1000:x};x=1"


def entry_line(number: int, message: object, **fields: object) -> bytes:
    """The JSON line of the entry with this number: 1 ms after the one before."""
    document = {
        "__CURSOR": cursor_of(number),
        "__REALTIME_TIMESTAMP": str(EPOCH_MICROSECONDS + number * 1000),
        "PRIORITY": "6",
        "_PID": "4711",
        "MESSAGE": message,
    } | fields
    return json.dumps(document).encode() + b"\n"


@dataclass
class ScriptedJournal:
    """The folder of the stand-in, to be put first on the PATH of an agent."""

    folder: Path
    written: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        program = self.folder / "journalctl"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -S {PROGRAM} {self.folder} "$@"\n')
        program.chmod(0o755)
        self.file.touch()

    @property
    def file(self) -> Path:
        return self.folder / "entries"

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {"PATH": f"{self.folder}:{os.environ['PATH']}"}

    def write(self, *messages: object, **fields: object) -> None:
        """Append entries."""
        lines = [entry_line(self.written + index, message, **fields) for index, message in enumerate(messages)]
        with self.file.open("ab") as entries:
            entries.write(b"".join(lines))
        self.written += len(messages)

    def calls(self) -> list[list[str]]:
        """The options of every call so far."""
        log = self.folder / "calls"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def main(folder: Path, words: Sequence[str]) -> int:
    """Answer as journalctl does."""
    with (folder / "calls").open("a") as calls:
        calls.write(json.dumps(list(words)) + "\n")
    if (folder / "broken").exists():
        print((folder / "broken").read_text(), file=sys.stderr)
        return 1
    options = dict(word.partition("=")[::2] for word in words)
    known = {
        "--quiet",
        "--no-pager",
        "--output",
        "--all",
        "--output-fields",
        "--unit",
        "--user-unit",
        "--lines",
        "--merge",
        "--no-tail",
    }
    known |= {
        "--since",
        "--until",
        "--priority",
        "--grep",
        "--case-sensitive",
        "--after-cursor",
        "--follow",
        "--reverse",
    }
    if unknown := options.keys() - known:
        print(f"unknown: {unknown}", file=sys.stderr)
        return 2
    with (folder / "entries").open("rb") as source:
        lines = chosen(source.readlines(), options)
        sys.stdout.buffer.write(b"".join(lines))
        sys.stdout.buffer.flush()
        while "--follow" in options:
            if piece := source.read(65536):
                sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
            else:
                time.sleep(0.01)
    return 0 if lines or "--grep" not in options else 1


def chosen(lines: list[bytes], options: dict[str, str]) -> list[bytes]:
    entries = [json.loads(line) for line in lines]
    kept = list(range(len(lines)))
    if "--after-cursor" in options:
        [at] = [index for index in kept if entries[index]["__CURSOR"] == options["--after-cursor"]]
        kept = kept[:at] if "--reverse" in options else kept[at + 1 :]
    for option, is_kept in (
        ("--since", lambda time, limit: time >= limit),
        ("--until", lambda time, limit: time <= limit),
    ):
        if option in options:
            limit = int(options[option][1:].replace(".", ""))
            kept = [index for index in kept if is_kept(int(entries[index]["__REALTIME_TIMESTAMP"]), limit)]
    if "--priority" in options:
        kept = [index for index in kept if int(entries[index]["PRIORITY"]) <= int(options["--priority"])]
    if "--grep" in options:
        text = re.sub(r"\\x\{([0-9a-f]+)\}", lambda match: chr(int(match[1], 16)), options["--grep"]).lower()
        kept = [index for index in kept if text in str(entries[index]["MESSAGE"]).lower()]
    if "--lines" in options:
        count = int(options["--lines"])
        is_forward = "--after-cursor" in options and "--reverse" not in options
        kept = kept[:count] if is_forward else kept[len(kept) - min(count, len(kept)) :]
    if "--reverse" in options:
        kept.reverse()
    return [lines[index] for index in kept]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
