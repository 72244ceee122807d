"""Files and links that change in one step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slave_agent.activation.files import (
    Owner,
    give_tree,
    make_folder,
    point_link,
    read_json,
    remove_tree,
    write_file,
    write_json,
)


def test_a_file_has_its_mode_and_leaves_no_temporary(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"ñ": 1})
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert read_json(tmp_path / "a") == {"ñ": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    write_file(tmp_path / "a", "old")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        write_file(tmp_path / "folder", "new")
    assert {path.name for path in tmp_path.iterdir()} == {"a", "folder"}


def test_a_pipe_in_place_of_a_file_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError):
        read_json(tmp_path / "pipe")


def test_a_link_is_switched_and_made(tmp_path: Path) -> None:
    link = tmp_path / "current"
    point_link(link, tmp_path / "one")
    point_link(link, tmp_path / "two")
    assert link.readlink() == tmp_path / "two"


def test_others_lose_their_write_rights_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("x")
    outside.chmod(0o666)
    tree = tmp_path / "tree"
    make_folder(tree, 0o777)
    (tree / "link").symlink_to(outside)
    write_file(tree / "program", "x", 0o775)
    write_file(tree / "secretly_closed", "x", 0o600)
    give_tree(tree, Owner(os.geteuid(), os.getegid()))
    modes = {path.name: path.stat().st_mode & 0o777 for path in tree.iterdir()}
    assert modes["program"] == 0o755 and modes["secretly_closed"] == 0o644
    assert tree.stat().st_mode & 0o777 == 0o755
    assert outside.stat().st_mode & 0o777 == 0o666


def test_removing_a_link_leaves_its_target(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    remove_tree(tmp_path / "link")
    remove_tree(tmp_path / "never")
    assert (tmp_path / "target").is_dir()
