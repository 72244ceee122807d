"""Files that are there whole or not at all, with owner and mode from their first byte. Knows no product paths."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SMALL_FILE_BYTES = 256 * 1024


@dataclass(frozen=True)
class Owner:
    """Numeric user and group a file is given to."""

    user_id: int
    group_id: int


def write_file(path: Path, content: str | bytes, mode: int = 0o644, owner: Owner | None = None) -> None:
    """Replace `path` atomically: temporary file beside it, owner and mode, fsync, rename."""
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            if owner is not None:
                os.fchown(stream.fileno(), owner.user_id, owner.group_id)
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_json(path: Path, values: Mapping[str, Any], mode: int = 0o600, owner: Owner | None = None) -> None:
    """Replace `path` with the JSON of `values`, atomically."""
    write_file(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n", mode, owner)


def read_small(path: Path) -> str:
    """Return the text of a small file that another user may own: a pipe put in its place can't hold us up."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        return stream.read(SMALL_FILE_BYTES).decode("utf-8")


@contextmanager
def acting_as(owner: Owner | None) -> Iterator[None]:
    """For the length of the block root acts as `owner`, so that links in a folder of his lead root nowhere."""
    if owner is None or os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(owner.group_id)
    os.seteuid(owner.user_id)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in `path`. Raises OSError, or ValueError when it is something else."""
    values = json.loads(read_small(path))
    if not isinstance(values, dict):
        raise ValueError(f"{path} does not hold a JSON object")
    return values


def make_folder(path: Path, mode: int = 0o755, owner: Owner | None = None) -> None:
    """Create the folder (and its parents) and give it its owner and mode, also when it was there."""
    path.mkdir(parents=True, exist_ok=True)
    if owner is not None:
        os.chown(path, owner.user_id, owner.group_id)
    path.chmod(mode)


def point_link(link: Path, target: Path) -> None:
    """Make `link` point to `target` in one rename, whatever it pointed to before."""
    temporary = link.with_name(f".{link.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
    _sync_folder(link.parent)


def give_tree(folder: Path, owner: Owner) -> None:
    """Give everything in `folder` to `owner`, never following links, and take write rights from everybody else."""
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, owner.user_id, owner.group_id, follow_symlinks=False)
        if not path.is_symlink():
            mode = path.stat().st_mode
            readable = mode | 0o444 | (0o111 if path.is_dir() or mode & 0o100 else 0)
            path.chmod(readable & 0o755)


def remove_tree(path: Path) -> None:
    """Remove a file, link or folder; nothing there is fine."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
        return
    while path.exists():
        with suppress(FileNotFoundError):  # somebody else is removing it as well
            shutil.rmtree(path)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
