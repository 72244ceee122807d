"""A release on disk, run for real: unpacked anew, and the one that worked before comes back when the new one fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from d8.commands import release
from d8.commands.release import ReleaseFacts
from d8.models import StrategyName

ABOUT = ReleaseFacts("c" * 40, "main", "0.1.0", StrategyName.VENV, "/usr/bin/python3")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    source = tmp_path / "slave_agent" / "activation"
    source.mkdir(parents=True)
    (source / "d8-activate").write_text("#!/bin/sh\n")
    path = tmp_path / "source with blank.tar.gz"
    subprocess.run(["tar", "-czf", path, "-C", tmp_path, "slave_agent"], check=True)
    return path


def run(command: object) -> None:
    subprocess.run(["sh", "-c", str(command)], check=True)


def test_a_release_is_unpacked_whole_and_again(tmp_path: Path, archive: Path):
    folder = tmp_path / "it's" / ABOUT.commit
    for _ in range(2):
        run(release.unpack(str(archive), str(folder), ABOUT))
    assert (folder / "d8-activate").stat().st_mode & 0o777 == 0o755
    assert '"runtime": "venv"' in (folder / "release.json").read_text()
    run(release.remove(str(folder)))
    assert list(folder.parent.iterdir()) == []


def test_the_release_that_worked_before_survives_attempts_of_the_same_commit(tmp_path: Path, archive: Path):
    folder = tmp_path / ABOUT.commit
    run(release.unpack(str(archive), str(folder), ABOUT))
    (folder / "agent.json").write_text("activated before")
    (folder / "unproved").unlink()
    for _ in range(2):
        run(release.unpack(str(archive), str(folder), ABOUT))
        assert not (folder / "agent.json").exists()
    run(release.remove(str(folder)))
    assert (folder / "agent.json").read_text() == "activated before"


def test_a_confirmed_release_is_not_removed_by_an_attempt_that_ended_before_it_unpacked(tmp_path: Path, archive: Path):
    folder = tmp_path / "d8-agent" / "releases" / "abc"
    folder.parent.mkdir(parents=True)
    run(release.unpack(str(archive), str(folder), ABOUT))
    (folder / "agent.json").touch()
    (folder / "unproved").unlink()  # as the activation does when it is confirmed
    run(release.remove(str(folder)))
    assert (folder / "agent.json").exists()


def test_a_failed_first_attempt_leaves_no_folders(tmp_path: Path, archive: Path):
    folder = tmp_path / "d8-agent" / "opt" / "releases" / "abc"
    folder.parent.mkdir(parents=True)
    run(release.unpack(str(archive), str(folder), ABOUT))
    (folder / "agent.json").touch()  # it was activated, and then did not work
    run(release.remove(str(folder)))
    assert list(tmp_path.glob("d8-agent*")) == []
