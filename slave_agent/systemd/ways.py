"""Who owns and who may write to everything on the way to what a path means, links followed step by step."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from slave_agent.systemd.access_lists import access_list, writers_in
from slave_agent.systemd.probe import PathPart

_MOST_LINKS = 40


def parts_of(path: str) -> tuple[PathPart, ...]:
    """Return every folder and link on the way, and the end last. Raises OSError where that can't be seen."""
    return tuple(_part(one) for one in dict.fromkeys(_way(Path(path))))


def _way(path: Path) -> Iterator[Path]:
    """Yield every path that is passed on the way to what `path` means: folders, links, and the end. Raises OSError."""
    waiting = list(path.parts[:0:-1])
    at, links = Path("/"), 0
    yield at
    while waiting:
        name = waiting.pop()
        if name == "..":
            at = at.parent
            continue
        step = at / name
        yield step
        if not step.is_symlink():
            at = step
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(f"too many links on the way to {path}")
        target = step.readlink()
        at = Path("/") if target.is_absolute() else at
        waiting += [part for part in reversed(target.parts) if part != "/"]


def _part(path: Path) -> PathPart:
    facts = path.lstat()
    if stat.S_ISLNK(facts.st_mode):  # its own mode means nothing: its folder's does
        return PathPart(str(path), facts.st_uid)
    return PathPart(
        path=str(path),
        owner=facts.st_uid,
        is_open=bool(facts.st_mode & stat.S_IWOTH),
        is_sticky=stat.S_ISDIR(facts.st_mode) and bool(facts.st_mode & stat.S_ISVTX),
        writers=_writers(path, facts),
    )


def _writers(path: Path, facts: os.stat_result) -> frozenset[str]:
    if not facts.st_mode & stat.S_IWGRP:  # with an access control list it is the mask: nobody in it may write either
        return frozenset()
    value = access_list(path)
    if value is None:
        return _members(facts.st_gid)
    writers = writers_in(value, facts.st_gid)
    return frozenset(map(_user, writers.users)).union(*map(_members, writers.groups))


def _user(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"user {user_id}"


def _members(group_id: int) -> frozenset[str]:
    """Return who is in a group, by its own list and by the users' first groups."""
    try:
        listed = grp.getgrgid(group_id).gr_mem
    except KeyError:
        listed = []
    return frozenset([*listed, *(user.pw_name for user in pwd.getpwall() if user.pw_gid == group_id)])
