"""The verb `update`: a release that the agent received is taken over by the owner, if the fleet has signed it."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from slave_agent.activation import clock
from slave_agent.activation.agent_user import find_agent_user
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import Owner, acting_as, make_folder, read_json, remove_tree, write_json
from slave_agent.activation.layout import Layout
from slave_agent.activation.manifest import LONGEST_HEAD_BYTES, Manifest, check_manifest, read_head
from slave_agent.activation.states import Phase, Scope, Speaker

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
BEGUN_WITHIN_SECONDS = 30.0
LAST_WORDS = 3
PIECE_BYTES = 1024 * 1024
PREPARING, STAGED, FAILED = "preparing", "staged", "failed"


def accept_update(activation: Activation, name: str) -> dict[str, Any]:
    """Given the name of a file in the agent's work folder, take it over and begin to prepare it, apart.

    Raises ActivationError: not signed for this machine, damaged, or not the time for it.
    """
    layout = activation.layout
    record = activation.store.load()
    if record.phase.awaits_confirmation or record.confirmed_commit is None or record.phase is Phase.RETURNED:
        raise ActivationError("This is no moment for an update: something else is going on.", "Ask with status.")
    with activation.store.updating() as is_ours:
        if not is_ours:
            raise ActivationError("Another update is being prepared.", "Wait for its end; ask with status.")
        manifest = _take_over(layout, name)
        if manifest.commit == record.confirmed_commit:
            raise ActivationError("This release runs already.", "Nothing needs to be done.")
        known = {"state": PREPARING, "commit": manifest.commit, "issued": manifest.issued, "reason": None, "hint": None}
        write_json(state_file(layout), {**known, "accepted_boottime_seconds": clock.boottime_seconds()})
    activation.keeper.detach("update", "--wait")
    return {"accepted": True, "commit": manifest.commit}


def state_file(layout: Layout) -> Path:
    """Where the state of the last update is kept."""
    return layout.state / "update.json"


def update_state(layout: Layout) -> dict[str, Any] | None:
    """What became of the last update, None where there was none."""
    with suppress(OSError, ValueError):
        return read_json(state_file(layout))
    return None


def reported_update(activation: Activation) -> dict[str, Any] | None:
    """What became of the last update, as others are told; one whose worker was killed has failed."""
    known = update_state(activation.layout)
    if known is None:
        return None
    if _seems_killed(activation, known):
        now = update_state(activation.layout) or {}  # its worker says how it ended before it lets go of the lock
        gone = {**known, "state": FAILED, "reason": _why_killed(activation, known), "hint": "Send it again."}
        known = gone if now == known else now
    return {name: known.get(name) for name in ("state", "commit", "reason", "hint")}


def commit_in_preparation(activation: Activation) -> str | None:
    """The commit of the release that is on its way to its trial now, None where there is none."""
    known = update_state(activation.layout) or {}
    return known["commit"] if known.get("state") == PREPARING and not _seems_killed(activation, known) else None


def _seems_killed(activation: Activation, known: dict[str, Any]) -> bool:
    """Whether nobody prepares what is said to be in preparation, though somebody should have begun by now."""
    if known.get("state") != PREPARING or activation.store.is_updating():
        return False
    return not 0 <= _age_seconds(known) <= BEGUN_WITHIN_SECONDS


def _age_seconds(known: dict[str, Any]) -> float:
    """Since its acceptance; less than none where the slave was restarted. The boot's id would not do: in a container
    of the kind that some hosts are, the helper's sandbox shows another one than systemd's other services see.
    """
    return clock.boottime_seconds() - float(known.get("accepted_boottime_seconds") or 0.0)


def _why_killed(activation: Activation, known: dict[str, Any]) -> str:
    if _age_seconds(known) < 0:
        return "The slave was restarted while it prepared the release."
    words = " | ".join(activation.keeper.last_lines(Speaker.UPDATE)[-LAST_WORDS:])
    return f"The preparation of the release was interrupted ({words or 'its worker left no word'})."


def incoming_folder(layout: Layout) -> Path:
    """The owner's folder for a release on its way in."""
    return layout.state / "incoming"


def open_incoming(layout: Layout) -> tuple[Manifest, Path]:
    """What was accepted, read again: its manifest and the tar. Raises ActivationError."""
    folder = incoming_folder(layout)
    try:
        head = (folder / "head").read_bytes()
    except OSError as problem:
        raise ActivationError(f"There is no accepted release: {problem}", "Send it again.") from problem
    return read_head(head, fleet_key(layout)), folder / "release.tar"


def fleet_key(layout: Layout) -> str:
    """The public key whose signature this slave accepts. Raises ActivationError where it was never given one."""
    try:
        return layout.release_key.read_text(encoding="ascii").strip()
    except OSError as problem:
        raise ActivationError(
            "This slave has no key that releases could be signed with.", "Build it once more from its master."
        ) from problem


def _take_over(layout: Layout, name: str) -> Manifest:
    """Copy the file to where only the owner writes, hashing as it comes; what can't be believed is removed again."""
    if not FILE_NAME.match(name):
        raise ActivationError("That is not the name of a file.", "Upload it first: PUT /api/files/NAME")
    key, folder = fleet_key(layout), incoming_folder(layout)
    remove_tree(folder)
    make_folder(folder, 0o700)
    try:
        with _open_as_agent(layout, name) as source:
            head = source.readline(LONGEST_HEAD_BYTES)
            manifest = read_head(head, key)
            check_manifest(manifest, machine_id(), _last_issued(layout))
            _copy(source, folder / "release.tar", manifest)
        (folder / "head").write_bytes(head)
    except BaseException:
        remove_tree(folder)
        raise
    return manifest


def _open_as_agent(layout: Layout, name: str) -> BinaryIO:
    """The folder is the agent's: its links lead nowhere that the agent could not go itself."""
    owner: Owner | None = find_agent_user() if layout.scope is Scope.SYSTEM else None
    try:
        with acting_as(owner):
            handle = os.open(layout.var / "work" / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as problem:
        raise ActivationError(f"{name} can't be read: {problem.strerror}", "Upload it again.") from problem
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ActivationError(f"{name} is not a file.", "Upload it again.")
    return os.fdopen(handle, "rb")


def _copy(source: BinaryIO, target: Path, manifest: Manifest) -> None:
    digest, left = hashlib.sha256(), manifest.size
    with target.open("wb") as stream:
        while left > 0:
            piece = source.read(min(PIECE_BYTES, left))
            if not piece:
                break
            digest.update(piece)
            stream.write(piece)
            left -= len(piece)
    if left or digest.hexdigest() != manifest.sha256 or source.read(1):
        raise ActivationError("The release is not what was signed.", "Nothing was changed. Send it again.")


def _last_issued(layout: Layout) -> float:
    return float((update_state(layout) or {}).get("issued") or 0.0)


def machine_id() -> str:
    """The machine-id of this host; empty where there is none."""
    for path in MACHINE_ID_FILES:
        with suppress(OSError):
            return path.read_text(encoding="ascii").strip()
    return ""
