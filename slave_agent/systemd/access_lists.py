"""POSIX access control lists, as the kernel gives them: who besides owner, group and others may write. Pure but for one
look. NFS version 4 has others, which are not read.
"""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

ATTRIBUTE = "system.posix_acl_access"
VERSION = 2
HEAD, ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
USER, OWNING_GROUP, GROUP, MASK = 0x02, 0x04, 0x08, 0x10
WRITE = 0x02


@dataclass(frozen=True)
class Writers:
    """Whom a list lets write, by id. With a list, the mode's bits for the group are the mask of all these."""

    users: frozenset[int] = frozenset()
    groups: frozenset[int] = frozenset()


def writers_in(value: bytes, group_id: int) -> Writers:
    """Given the attribute's value and the file's group, return who may write. Raises ValueError for a form that no
    kernel gives.
    """
    if len(value) < HEAD.size or HEAD.unpack_from(value)[0] != VERSION or (len(value) - HEAD.size) % ENTRY.size:
        raise ValueError("an access control list of an unknown form")
    entries = list(ENTRY.iter_unpack(value[HEAD.size :]))
    mask = next((right for tag, right, _ in entries if tag == MASK), WRITE)
    may = [(tag, number) for tag, right, number in entries if right & mask & WRITE]
    groups = {number for tag, number in may if tag == GROUP}
    if any(tag == OWNING_GROUP for tag, _ in may):
        groups.add(group_id)
    return Writers(frozenset(number for tag, number in may if tag == USER), frozenset(groups))


def access_list(path: Path) -> Optional[bytes]:
    """Return the attribute's value of what lies at a path, None where it has no such list. Raises OSError."""
    try:
        return os.getxattr(path, ATTRIBUTE, follow_symlinks=False)
    except OSError as problem:
        if problem.errno in (errno.ENODATA, errno.EOPNOTSUPP):
            return None
        raise
