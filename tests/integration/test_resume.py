"""A master that is killed, stopped or sent away while it builds a real bootstrap on loopback, and one that goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.loopback_slave import LoopbackSlave, loopback_slave

INSTALLING = "uv pip install"


@pytest.fixture
def slave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackSlave]:
    with loopback_slave(tmp_path, monkeypatch, slow_seconds=3) as made:
        yield made


def is_installing(document: dict[str, Any]) -> bool:
    return any(one["state"] == "running" and INSTALLING in one["command"] for one in document["commands"])


def kill_when(slave: LoopbackSlave, condition: Any) -> dict[str, Any]:
    """Start a build and kill its master -9 as soon as its log is as wanted; return the log that it leaves."""
    build = slave.master.start("build", slave.address, "--yes", "--strategy", "venv")
    slave.wait_for_log(condition)
    build.kill()
    build.communicate()
    return slave.logs()[-1]


def test_a_master_killed_in_the_middle_of_installing_goes_on_with_the_same_job(slave: LoopbackSlave) -> None:
    left = kill_when(slave, is_installing)
    assert left["status"] == "running"
    [interrupted] = [one for one in left["commands"] if one["state"] == "running"]

    document = slave.master.json("build", slave.address, "--yes", "--resume", "--strategy", "venv")

    assert document["status"] == "success" and len(document["resumed"]) == 1
    assert len(slave.logs()) == 1, "the same log goes on"
    [same] = [one for one in document["commands"] if one["job_id"] == interrupted["job_id"]]
    assert same["state"] == "succeeded"
    for command in (one["command"] for one in left["commands"][1:]):
        assert sum(one["command"] == command for one in document["commands"]) == 1, command
