"""Which hosts are meant: words of a command line, lines of a file, an answer in the menu. All problems at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from d8.errors import D8Error, UsageError
from d8.fleet.names import Address, parse_address
from d8.messages import Message, message

SEPARATORS = re.compile(r"[\s,;]+")


@dataclass(frozen=True)
class NamedHost:
    """A host as somebody wrote it, and where (empty: on the command line)."""

    text: str
    place: str = ""


@dataclass(frozen=True)
class Hosts:
    """The addresses in their order, each once, and the ones that were named more than once."""

    addresses: tuple[Address, ...]
    repeated: tuple[Address, ...] = ()


def hosts_in(text: str) -> list[NamedHost]:
    """Given addresses separated by spaces or commas, return them."""
    return [NamedHost(word) for word in SEPARATORS.split(text) if word]


def hosts_of_file(path: Path) -> list[NamedHost]:
    """Given a file with one host a line (or several), # for comments, return its hosts. Raises UsageError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "the list {path} can't be read: {reason}",
            "Name a text file with one address or name a line.",
            path=path,
            reason=error,
        ) from error
    found = [
        NamedHost(host.text, f"{path.name}:{number}")
        for number, line in enumerate(lines, start=1)
        for host in hosts_in(line.partition("#")[0])
    ]
    if not found:
        raise UsageError("the list {path} names no host", "One address or name a line; # begins a comment.", path=path)
    return found


def parse_hosts(hosts: Iterable[NamedHost], default_port: int) -> Hosts:
    """Given hosts as written, return their addresses. Raises UsageError that lists every one that can't be used."""
    addresses: list[Address] = []
    problems: list[Message] = []
    for host in hosts:
        try:
            addresses.append(parse_address(host.text, default_port))
        except D8Error as error:
            problems.append(_placed(host, error))
    if problems:
        raise UsageError(
            "{problems}",
            "Give IP addresses or names: 192.168.4.25, pi.local, [fd00::5]:7600.",
            problems=problems,
        )
    if not addresses:
        raise UsageError("no host was named", "192.168.4.25 or pi.local, say. `build --from FILE` reads one a line.")
    return Hosts(tuple(dict.fromkeys(addresses)), repeated(addresses))


def repeated(addresses: Sequence[Address]) -> tuple[Address, ...]:
    """Given addresses, return those that occur more than once. Pure."""
    return tuple(address for address in dict.fromkeys(addresses) if addresses.count(address) > 1)


def _placed(host: NamedHost, error: D8Error) -> Message:
    return message("{place}: {problem}", place=host.place, problem=error.message) if host.place else error.message
