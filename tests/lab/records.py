"""PURE: what is written down about a lab and its hosts, enough for another process to go on with them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.lab.ledger import Trace, TraceKind
from tests.lab.profiles import Profile


@dataclass(frozen=True)
class LabRecord:
    """Who owns a lab. A kept one (`python3 -m tests.lab up`) outlives its owner, until `down` or a reboot."""

    number: int
    owner_pid: int
    owner_started: int
    boot_id: str
    is_kept: bool

    def is_stale(self, owner_is_alive: bool, boot_id: str) -> bool:
        """Given whether the owner lives and which boot this is, whether nobody needs the lab any more."""
        return self.boot_id != boot_id or not (self.is_kept or owner_is_alive)


@dataclass(frozen=True)
class HostRecord:
    """All that is fixed about a host."""

    name: str
    profile: Profile
    user: str
    lab_number: int
    index: int
    address: str
    machine_id: str
    layers: tuple[str, ...]
    work: str

    @property
    def machine_name(self) -> str:
        """Return nspawn's name for it: unique among labs, short enough for an interface's name."""
        return f"d8-{self.lab_number}-{self.index}"

    @property
    def interface(self) -> str:
        """Return the machine's end of its network cable, as nspawn names it."""
        return f"vb-{self.machine_name}"

    @property
    def cgroup(self) -> str:
        """Return the control group that all its processes are in."""
        return f"d8-lab/{self.lab_number}/{self.index}"

    @property
    def folder(self) -> Path:
        """Return the folder of the host's own files on the machine."""
        return Path(self.work)

    @property
    def root_dir(self) -> Path:
        """Return where the host's disk is mounted on the machine."""
        return self.folder / "root"

    def trace(self, kind: TraceKind, *words: str) -> Trace:
        """Return the ledger's entry for a thing made for this host."""
        return Trace(kind, words, owner=str(self.index))


def dump(record: LabRecord | HostRecord) -> str:
    """Return the record as JSON."""
    return json.dumps(asdict(record), indent=1) + "\n"


def load_lab(text: str) -> LabRecord:
    """Return the lab's record. Raises ValueError or TypeError when the text is torn."""
    return LabRecord(**json.loads(text))


def load_host(text: str) -> HostRecord:
    """Return the host's record. Raises ValueError or TypeError when the text is torn."""
    fields: dict[str, Any] = json.loads(text)
    fields["profile"] = Profile(fields["profile"])
    fields["layers"] = tuple(fields["layers"])
    return HostRecord(**fields)


def is_valid_name(name: str) -> bool:
    """Whether the name can be a host's: it becomes a host name, a folder and a word on the command line."""
    return 0 < len(name) <= 40 and name.isascii() and name.replace("-", "").isalnum() and name[0].isalpha()
