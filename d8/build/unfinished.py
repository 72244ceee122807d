"""Finds the log of a build that a killed or detached master left behind, and lets only one process change a slave."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d8.errors import Refused
from d8.files import locked, private_folder
from d8.fleet.names import Address, slave_id_for
from d8.models import BuildStatus

_MOMENT = re.compile(r"(?P<moment>\d{4}-\d\d-\d\d_\d{6})(?:_(?P<number>\d+))?\Z")
WAIT_FOR_IT = "Wait for its end, or stop it there with Ctrl+C."
UNFINISHED = (BuildStatus.RUNNING, BuildStatus.DETACHED)


@dataclass(frozen=True)
class UnfinishedBuild:
    """A log whose build has not ended, and its object."""

    path: Path
    document: dict[str, Any]

    @property
    def moment(self) -> str:
        """When it began, for screens."""
        return str(self.document["timestamp"])[:19].replace("T", " ")

    @property
    def commit(self) -> str | None:
        """The commit that the slave was to get."""
        return self.document.get("master_commit")


def find_unfinished(folder: Path, address: Address) -> UnfinishedBuild | None:
    """Given the folder of the logs and an address, return its last build if that has not ended.

    Builds that failed before their first command changed nothing and are looked past.
    """
    prefix = f"build_{slave_id_for(address)}_"
    found = [
        ((match["moment"], int(match["number"] or 1)), path)
        for path in folder.glob(f"{prefix}*.json")
        if (match := _MOMENT.match(path.stem.removeprefix(prefix)))
    ]
    for _, path in sorted(found, reverse=True):
        document = _read(path)
        if document is None or (document["status"] == BuildStatus.FAILED and not document["commands"]):
            continue
        return UnfinishedBuild(path, document) if document["status"] in UNFINISHED else None
    return None


@contextmanager
def only_builder_of(folder: Path, address: Address) -> Iterator[None]:
    """Given the folder of the logs and an address, be the only one who builds or updates it, or changes its credential;
    the lock dies with the process.

    Raises Refused when another process or thread does.
    """
    lock = private_folder(folder) / f".{slave_id_for(address)}.lock"
    with locked(lock, waits=False) as is_ours:
        if not is_ours:
            raise Refused("another process of this master works on {address} already", WAIT_FOR_IT, address=address)
        yield


@contextmanager
def only_builder_in(folder: Path, place: tuple[str, ...], address: Address) -> Iterator[None]:
    """Given the folder of the logs, what tells a machine and a place on it from all others, and the address by which
    it was reached, be the only one who builds there, whatever it is called elsewhere.

    Raises Refused that names the address of the other build.
    """
    digest = hashlib.sha256("\n".join(place).encode()).hexdigest()[:16]
    lock = private_folder(folder) / f".machine-{digest}.lock"
    with locked(lock, waits=False) as is_ours:
        if not is_ours:
            text = "another process of this master works on {other} already, which is the same machine as {address}"
            raise Refused(text, WAIT_FOR_IT, other=lock.read_text() or "-", address=address)
        lock.write_text(str(address))
        yield


def _read(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text())
        return document if {"status", "commands", "attempts", "timestamp"} <= set(document) else None
    except (OSError, ValueError, TypeError):
        return None
