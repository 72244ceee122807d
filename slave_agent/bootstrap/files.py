"""Private files, written whole or not at all. No knowledge of what is in them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from slave_agent.bootstrap.host_system import HAS_POSIX, OPEN_FLAGS, rename_over

PRIVATE_FILE_MODE = 0o600
PRIVATE_FOLDER_MODE = 0o700


def make_private_folder(folder: Path) -> None:
    """Create `folder` (and its parents) with mode 0700; an existing one gets that mode."""
    folder.mkdir(mode=PRIVATE_FOLDER_MODE, parents=True, exist_ok=True)
    folder.chmod(PRIVATE_FOLDER_MODE)


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` with mode 0600 by way of a temporary file, fsync and rename: readers see the old or
    the new.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | OPEN_FLAGS, PRIVATE_FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        rename_over(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut."""
    if not HAS_POSIX:
        return  # Windows opens no folders
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Replace `path` by a JSON document."""
    replace_file(path, json.dumps(document, ensure_ascii=True).encode("ascii"))


def read_document(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in `path`, or None where there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    document = json.loads(text)
    return document if isinstance(document, dict) else None
