"""Who is reached over ssh, and where: the operator's words, checked. Nothing in them can be taken for an option."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from d8.errors import UsageError
from d8.fleet.names import parse_address

SSH_PORT = 22
DEFAULT_USER = "pi"
USER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\Z")


@dataclass(frozen=True)
class Target:
    """Who is reached where: a checked host, port and user, and the key to use (None: ssh's own choice)."""

    host: str
    port: int = SSH_PORT
    user: str = DEFAULT_USER
    key: Path | None = None

    @property
    def name(self) -> str:
        """The name under which the host key is pinned, as in any known_hosts."""
        return self.host if self.port == SSH_PORT else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        return f"{self.user}@{self.name}"


def parse_target(text: str, user: str | None = None, port: int | None = None, key: Path | None = None) -> Target:
    """Given [USER@]HOST[:PORT] and what options say, return the target. Raises UsageError."""
    written_user, _, host = text.strip().rpartition("@")
    name = user or written_user or DEFAULT_USER
    if (user and written_user and user != written_user) or not USER_NAME.match(name):
        raise UsageError(
            "'{name}' can't be the user of {text}", "For example: pi@192.168.4.25, or --user pi", name=name, text=text
        )
    address = parse_address(host, port or SSH_PORT)
    if port is not None and address.port != port:
        raise UsageError("'{text}' and --port {port} contradict each other", "Give one of them.", text=text, port=port)
    if key is not None and not key.is_file():
        raise UsageError("there is no key file {path}", "--key takes the private key's file.", path=key)
    return Target(address.host, address.port, name, key.absolute() if key else None)
