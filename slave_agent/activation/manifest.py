"""What a signed release says of itself, and how its file begins: one JSON line, then the release as a tar. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Optional

from slave_agent.activation.errors import ActivationError
from slave_agent.activation.settings import COMMIT, SHA256
from slave_agent.activation.signatures import is_signed

PURPOSE = "d8-release-1"  # signed with the rest, so that no other signature of the fleet can pass for it
LONGEST_HEAD_BYTES = 64 * 1024
IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,254}\Z")
ADVICE = "Nothing was changed. Only the master that built this slave can update it."


@dataclass(frozen=True)
class Manifest:
    """One release for one machine: hash and size of the tar that follows, when it was signed (Unix seconds)."""

    commit: str
    branch: Optional[str]
    machine_id: str
    sha256: str
    size: int
    issued: float
    base_image: Optional[str]
    confirm_timeout_seconds: float


def read_head(line: bytes, key: str) -> Manifest:
    """Given the first line of a release's file and the fleet's public key, return what was signed.

    Raises ActivationError for anything that the fleet did not sign.
    """
    try:
        head = json.loads(line)
        text, signature = head["manifest"], head["signature"]
        is_ours = isinstance(text, str) and isinstance(signature, str) and is_signed(key, text.encode(), signature)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ActivationError("This is not a release of the fleet.", ADVICE) from None
    if not is_ours:
        raise ActivationError("The release is not signed by this slave's fleet.", ADVICE)
    try:
        return _manifest(json.loads(text))
    except (ValueError, KeyError, TypeError) as problem:
        raise ActivationError(f"The release's manifest can't be used: {problem!r}", ADVICE) from problem


def check_manifest(manifest: Manifest, machine_id: str, last_issued: float) -> None:
    """Raises ActivationError for a release of another machine, or one that is older than the last one accepted."""
    if manifest.machine_id != machine_id:
        raise ActivationError("The release was signed for another machine.", ADVICE)
    if manifest.issued <= last_issued:
        raise ActivationError(
            "The release was signed before the one that was accepted last.",
            "It is a recording, or the master's data folder is an old copy: then remove the slave and build it anew.",
        )


def _manifest(values: dict[str, Any]) -> Manifest:
    if values["purpose"] != PURPOSE:
        raise ValueError("purpose")
    image, branch = values.get("base_image"), values.get("branch")
    found = Manifest(
        commit=_text(values["commit"], COMMIT),
        branch=str(branch) if branch else None,
        machine_id=str(values["machine_id"]),
        sha256=_text(values["sha256"], SHA256),
        size=int(values["size"]),
        issued=float(values["issued"]),
        base_image=_text(image, IMAGE) if image else None,
        confirm_timeout_seconds=float(values["confirm_timeout_seconds"]),
    )
    if not 2 <= found.confirm_timeout_seconds <= 3600:
        raise ValueError("confirm_timeout_seconds")
    return found


def _text(value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.match(value):
        raise ValueError(f"{value!r} does not have the form that is wanted")
    return value
