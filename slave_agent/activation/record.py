"""The activation's memory, handover.json: what is being activated, how far it got, until when it may go unconfirmed."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import read_json, write_json
from slave_agent.activation.states import CredentialKind, Fallback, Phase, Scope, SwapStep

# Whoever looks whether a lock is held holds it for a moment himself: no reason to give up.
LOOKS = 20
LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Record:
    """One activation. `confirmed_commit` is the release to go back to; deadline in seconds of CLOCK_BOOTTIME.

    `bootstrap_user` is None on a slave without a bootstrap.
    """

    phase: Phase
    scope: Scope
    commit: str
    slave_id: str
    port: int
    bind: str
    tls: bool
    confirm_timeout_seconds: float
    step_delay_seconds: float
    bootstrap_user: str | None
    bootstrap_credential: CredentialKind
    installer_folder: str | None = None
    installer_secrets: tuple[str, ...] = ()
    bootstrap_pid: int | None = None
    step: SwapStep | None = None
    confirmed_commit: str | None = None
    previous_commit: str | None = None
    deadline_boottime_seconds: float | None = None
    boot_id: str | None = None
    misses: int = 0
    failed_starts: int = 0
    reason: str | None = None
    lingering_was_enabled: bool = False
    persistence_command: str | None = None
    falls_back_to: Fallback = Fallback.BOOTSTRAP

    @property
    def has_bootstrap(self) -> bool:
        """Whether there is a bootstrap that could have the port: not on a slave that was installed without a master."""
        return self.bootstrap_user is not None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Record:
        """Given what handover.json holds, return the record; fields of a newer version are ignored."""
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        known["phase"], known["scope"] = Phase(known["phase"]), Scope(known["scope"])
        known["bootstrap_credential"] = CredentialKind(known["bootstrap_credential"])
        known["falls_back_to"] = Fallback(known.get("falls_back_to", Fallback.BOOTSTRAP))
        known["step"] = SwapStep(known["step"]) if known.get("step") else None
        known["installer_secrets"] = tuple(known.get("installer_secrets", ()))
        return cls(**known)


class RecordStore:
    """Reads and replaces handover.json; `exclusively` keeps two writers apart, `swapping` marks a live swap."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self) -> Record | None:
        """Return the record, or None where nothing was ever installed. Raises ActivationError when it is unreadable."""
        try:
            return Record.from_json(read_json(self.path))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as problem:
            raise ActivationError(f"{self.path} can't be read: {problem}", "Run install again.") from problem

    def load(self) -> Record:
        """Return the record. Raises ActivationError where nothing is installed."""
        record = self.find()
        if record is None:
            raise ActivationError("Nothing is installed here.", "Run install first.")
        return record

    def save(self, record: Record) -> Record:
        write_json(self.path, record.to_json())
        return record

    def update(self, **changes: Any) -> Record:
        """Change some fields of the record on disk and return it."""
        with self.exclusively():
            return self.save(replace(self.load(), **changes))

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Hold the writers' lock for the block."""
        with _locked(self.path.with_name("record.lock")):
            yield

    def advance(self, allowed: Collection[Phase], **changes: Any) -> Record | None:
        """Change the record only if its phase is one of `allowed`; None otherwise. Of two that race, one gets None."""
        with self.exclusively():
            record = self.load()
            return self.save(replace(record, **changes)) if record.phase in allowed else None

    @contextmanager
    def swapping(self, tries: int = LOOKS) -> Iterator[None]:
        """Hold the swap's lock for the block. Raises ActivationError when another swap is alive."""
        with _locked(self.path.with_name("swap.lock"), tries=tries) as is_ours:
            if not is_ours:
                raise ActivationError("A handover is running already.", "Wait for its end; ask with status.")
            yield

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Hold the lock of those who finish a confirmation: the agent's request and the guard may meet there."""
        with _locked(self.path.with_name("finish.lock")):
            yield

    @contextmanager
    def updating(self, tries: int = LOOKS) -> Iterator[bool]:
        """Whether this process is the one that works on an update; it stays so for the block."""
        with _locked(self.path.with_name("update.lock"), tries=tries) as is_ours:
            yield is_ours

    def is_updating(self) -> bool:
        """Whether a living process works on an update; asked without the right to write here."""
        try:
            handle = os.open(self.path.with_name("update.lock"), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
        finally:
            os.close(handle)

    @contextmanager
    def guarding(self) -> Iterator[bool]:
        """Whether this process is the one guard that loops; it stays so for the block."""
        with _locked(self.path.with_name("guard.lock"), tries=1) as is_ours:
            yield is_ours

    def is_swapping(self) -> bool:
        """Whether a living process holds the swap's lock; the kernel lets go of it when that process is killed."""
        with _locked(self.path.with_name("swap.lock"), tries=1) as is_ours:
            return not is_ours


@contextmanager
def _locked(path: Path, *, tries: int | None = None) -> Iterator[bool]:
    """Hold the lock for the block, and say whether it is: after so many tries it is somebody else's (None: wait)."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _lock(handle, tries)
    finally:
        os.close(handle)


def _lock(handle: int, tries: int | None) -> bool:
    if tries is None:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return True
    for left in reversed(range(tries)):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if left:
                time.sleep(LOOK_SECONDS)
        else:
            return True
    return False
