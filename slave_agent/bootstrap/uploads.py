"""Files sent by the master: streamed to the work folder, checked, and only then given their name."""

from __future__ import annotations

import errno
import hashlib
import hmac
import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any, Callable

from slave_agent.bootstrap.errors import BadRequest, InvalidRequest, NoRoom
from slave_agent.bootstrap.files import make_private_folder, sync_folder
from slave_agent.bootstrap.host_system import OPEN_FLAGS, rename_over

FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
SHA256_HEX = re.compile(r"[0-9a-fA-F]{64}\Z")
CHUNK_BYTES = 256 * 1024
SPARE_BYTES = 32 * 1024 * 1024
"""What an upload leaves free on the disk, so that the machine stays alive."""


class UploadFolder:
    """The work folder of a server."""

    def __init__(self, folder: Path) -> None:
        """Create the folder if needed and remove what interrupted uploads left there."""
        make_private_folder(folder)
        self._folder = folder
        for part in folder.glob(".*.part"):
            part.unlink(missing_ok=True)

    def check(self, name: str, sha256: str | None, size: int) -> None:
        """Return if an upload may begin. Raises InvalidRequest for the name or the digest, NoRoom for the disk."""
        if not FILE_NAME.match(name):
            raise InvalidRequest("The file name must be letters, digits, dots, hyphens and underscores (at most 128).")
        if sha256 is None or not SHA256_HEX.match(sha256):
            raise InvalidRequest("The header X-Content-SHA256 must hold the SHA-256 of the file in hex.")
        free = shutil.disk_usage(self._folder).free
        if size + SPARE_BYTES > free:
            raise _no_room(f"{size} bytes are to be written, {free} are free")

    def receive(self, name: str, sha256: str, size: int, read: Callable[[int], bytes]) -> dict[str, Any]:
        """Store `size` bytes from `read` as `name` (mode 0600) and return the answer of PUT /api/files.

        Raises InvalidRequest when the digest differs, BadRequest when the body ends early, NoRoom when the disk is
        full; after these there is no new file, and an older one of that name is as it was.
        """
        part = self._folder / f".{name}.{secrets.token_hex(4)}.part"
        try:
            digest = _copy(part, size, read)
            if not hmac.compare_digest(digest, sha256.lower()):
                raise InvalidRequest("The file arrived damaged: its SHA-256 differs.", "Send it again.")
            rename_over(part, self._folder / name)
            sync_folder(self._folder)
        except OSError as problem:
            if problem.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _no_room(str(problem)) from problem
            raise
        finally:
            part.unlink(missing_ok=True)
        return {"path": str(self._folder / name), "size": size, "sha256": digest}


def _no_room(reason: str) -> NoRoom:
    return NoRoom(f"There is no room for the file: {reason}.", "Free some disk space on the slave.")


def _copy(part: Path, size: int, read: Callable[[int], bytes]) -> str:
    """Write `size` bytes from `read` to a new private file, down to the disk; return their SHA-256 in hex."""
    digest = hashlib.sha256()
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN_FLAGS, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        missing = size
        while missing:
            data = read(min(CHUNK_BYTES, missing))
            if not data:
                raise BadRequest("The body ended early.", "Send the file again.")
            digest.update(data)
            stream.write(data)
            missing -= len(data)
        stream.flush()
        os.fsync(stream.fileno())
    return digest.hexdigest()
