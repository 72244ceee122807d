"""Host keys of machines reached over ssh: the fingerprint as ssh shows it, and the master's own file of pinned keys.

Nothing is trusted on first use: a key gets into the file when the operator has confirmed its fingerprint.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from d8.errors import UsageError
from d8.files import private_folder, write_private

FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}\Z")


@dataclass(frozen=True)
class HostKey:
    """One public host key: its type and its base64 text, as they stand in known_hosts (sshd(8))."""

    kind: str
    text: str

    @property
    def fingerprint(self) -> str:
        """`SHA256:…`, as ssh and ssh-keygen -l show it."""
        digest = hashlib.sha256(base64.b64decode(self.text)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


class Verdict(StrEnum):
    """What is to be done about a presented host key."""

    KNOWN = "known"
    ASK = "ask"
    PIN = "pin"
    NOT_THE_ACCEPTED_ONE = "not_the_accepted_one"
    CHANGED = "changed"


def judge(pinned: HostKey | None, presented: Sequence[HostKey], accepted: str | None) -> Verdict:
    """Given the pinned key, the presented ones and the fingerprint that the operator accepts, decide. Pure.

    An accepted fingerprint wins over a pinned key: that is how an operator says that a machine was installed anew.
    """
    if accepted is not None:
        if all(key.fingerprint != accepted for key in presented):
            return Verdict.NOT_THE_ACCEPTED_ONE
        return Verdict.KNOWN if pinned is not None and pinned.fingerprint == accepted else Verdict.PIN
    if pinned is None:
        return Verdict.ASK
    return Verdict.KNOWN if pinned in presented else Verdict.CHANGED


def parse_fingerprint(text: str) -> str:
    """Given a fingerprint as ssh shows it, return it. Raises UsageError."""
    fingerprint = text.strip().rstrip("=")
    if not FINGERPRINT.match(fingerprint):
        raise UsageError(
            "'{text}' is not the fingerprint of a host key",
            "It looks like SHA256:… with 43 characters; on the slave: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
            text=text,
        )
    return fingerprint


def parse_known_hosts(text: str) -> dict[str, HostKey]:
    """Given the text of a known_hosts file, return the key of each name; lines that can't be read are left out."""
    found: dict[str, HostKey] = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 3 and not line.startswith(("#", "@")) and _is_base64(fields[2]):
            found[fields[0]] = HostKey(fields[1], fields[2])
    return found


def render_known_hosts(keys: dict[str, HostKey]) -> str:
    """Given the key of each name, return the text of a known_hosts file."""
    return "".join(f"{name} {key.kind} {key.text}\n" for name, key in sorted(keys.items()))


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except binascii.Error:
        return False


class PinnedKeys:
    """The master's own known_hosts, `ssh/known_hosts` in the data folder; the operator's own is neither read nor
    written.
    """

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "ssh" / "known_hosts"

    def key_of(self, name: str) -> HostKey | None:
        """Given a name as it stands in the file, return its pinned key, or None."""
        return self._keys().get(name)

    def pin(self, name: str, key: HostKey) -> None:
        """From now on only this key is accepted under this name."""
        private_folder(self.path.parent)
        write_private(self.path, render_known_hosts({**self._keys(), name: key}))

    def _keys(self) -> dict[str, HostKey]:
        try:
            return parse_known_hosts(self.path.read_text(encoding="utf-8", errors="replace"))
        except FileNotFoundError:
            return {}
