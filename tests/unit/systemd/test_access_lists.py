"""Access control lists: the kernel's form, and what they mean for who could change an app's code."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from slave_agent.systemd.access_lists import ATTRIBUTE, Writers, access_list, writers_in
from slave_agent.systemd.ways import parts_of
from slave_agent.systemd.writers import foreign_writers

NOBODY_IN_PARTICULAR = 0xFFFFFFFF
OWNER, USER, OWNING_GROUP, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
READ, WRITE = 4, 2
MINIMAL = (
    (OWNER, 6, NOBODY_IN_PARTICULAR),
    (OWNING_GROUP, READ, NOBODY_IN_PARTICULAR),
    (OTHER, READ, NOBODY_IN_PARTICULAR),
)


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in sorted(entries))


@pytest.mark.parametrize(
    ("entries", "writers"),
    [
        ((), Writers()),
        (((USER, 6, 1001), (MASK, 6, NOBODY_IN_PARTICULAR)), Writers(users=frozenset({1001}))),
        (((USER, 6, 1001), (MASK, READ, NOBODY_IN_PARTICULAR)), Writers()),
        (((USER, READ, 1001), (GROUP, WRITE, 50), (MASK, 7, NOBODY_IN_PARTICULAR)), Writers(groups=frozenset({50}))),
        (((USER, 7, 0), (USER, 7, 33), (MASK, 7, NOBODY_IN_PARTICULAR)), Writers(users=frozenset({0, 33}))),
    ],
)
def test_whom_a_list_lets_write(entries: tuple[tuple[int, int, int], ...], writers: Writers) -> None:
    assert writers_in(acl(*MINIMAL, *entries), 100) == writers


def test_the_files_own_group_counts_by_its_entry_and_the_mask() -> None:
    entries = ((OWNING_GROUP, 6, NOBODY_IN_PARTICULAR), (MASK, 6, NOBODY_IN_PARTICULAR))
    assert writers_in(acl(*entries), 100) == Writers(groups=frozenset({100}))
    assert writers_in(acl(entries[0], (MASK, READ, NOBODY_IN_PARTICULAR)), 100) == Writers()


@pytest.mark.parametrize("value", [b"", b"\1\0\0\0", acl(*MINIMAL)[:-1]])
def test_another_form_is_not_taken_for_no_list(value: bytes) -> None:
    with pytest.raises(ValueError, match="unknown form"):
        writers_in(value, 100)


def test_a_user_whom_a_list_names_could_change_the_script(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text("")
    script.chmod(0o644)
    assert access_list(script) is None
    stranger = 64999
    try:
        os.setxattr(
            script,
            ATTRIBUTE,
            acl(*MINIMAL, (USER, 6, stranger), (MASK, 6, NOBODY_IN_PARTICULAR)),
            follow_symlinks=False,
        )
    except OSError as problem:
        assert problem.errno == errno.EOPNOTSUPP
        pytest.skip("this file system has no access control lists")
    found = foreign_writers(parts_of(str(script))[-1:], "ana", os.getuid())
    assert found == [f"user {stranger} may write to {script}"]
    script.chmod(0o644)  # the mode's bits for the group are the mask
    assert foreign_writers(parts_of(str(script))[-1:], "ana", os.getuid()) == []
