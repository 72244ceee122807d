"""With which log a build begins, and what the operator is told of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from d8.build.build_log import BuildLog
from d8.build.opening import open_build, words_about
from d8.build.unfinished import find_unfinished, only_builder_in, only_builder_of
from d8.errors import BuildFailed, Refused
from d8.fleet.names import Address
from d8.masking import Masker
from d8.models import BuildStatus
from d8.source import Commit

ADDRESS = Address("192.0.2.7")
COMMIT = Commit("a" * 40, "main", is_dirty=False)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def write_log(folder: Path, second: int, status: BuildStatus, *, commands: int = 1, address: Address = ADDRESS) -> Path:
    """A log as a build leaves it that began at that second."""
    name = "slave-" + address.host.replace(".", "-") + ("" if address.port == 7600 else f"-{address.port}")
    log = BuildLog(folder, name, address.host, NOW.replace(second=second), Masker())
    log.note("master_commit", COMMIT.hash)
    for _ in range(commands):
        log.begin_command("uptime", "j", NOW, replayable=True, timeout_seconds=5)
    if status is not BuildStatus.RUNNING:
        log.finish(status, NOW, error=BuildFailed("why"))
    return log.path


@pytest.mark.parametrize(
    ("logs", "found"),
    [
        ([], None),
        ([(BuildStatus.RUNNING, 1)], 0),
        ([(BuildStatus.DETACHED, 1)], 0),
        ([(BuildStatus.SUCCESS, 1)], None),
        ([(BuildStatus.CANCELLED, 1)], None),
        ([(BuildStatus.RUNNING, 1), (BuildStatus.SUCCESS, 1)], None),
        ([(BuildStatus.FAILED, 1), (BuildStatus.RUNNING, 1)], 1),
        ([(BuildStatus.RUNNING, 1), (BuildStatus.FAILED, 1)], None),
        ([(BuildStatus.RUNNING, 1), (BuildStatus.FAILED, 0)], 0),  # it never came to the slave
    ],
)
def test_the_last_build_of_an_address_if_it_has_not_ended(
    tmp_path: Path, logs: list[tuple[BuildStatus, int]], found: int | None
) -> None:
    paths = [write_log(tmp_path, second, status, commands=count) for second, (status, count) in enumerate(logs)]
    unfinished = find_unfinished(tmp_path, ADDRESS)
    assert (unfinished.path if unfinished else None) == (None if found is None else paths[found])


def test_another_port_is_another_slave(tmp_path: Path) -> None:
    write_log(tmp_path, 0, BuildStatus.RUNNING, address=Address("192.0.2.7", 7601))
    assert find_unfinished(tmp_path, ADDRESS) is None


def test_what_is_no_log_is_looked_past(tmp_path: Path) -> None:
    (tmp_path / "build_slave-192-0-2-7_2026-11-22_130000.json").write_text("half of it")
    (tmp_path / "build_slave-192-0-2-7_2026-11-22_140000.json").write_text("[]")
    path = write_log(tmp_path, 0, BuildStatus.RUNNING)
    unfinished = find_unfinished(tmp_path, ADDRESS)
    assert unfinished and unfinished.path == path


@pytest.mark.parametrize(
    ("has_former", "is_wanted", "commit", "is_resumed", "words"),
    [
        (True, True, COMMIT.hash, True, "going on with the build of 2026-11-22 12:00:00: 0 commands are done"),
        (True, True, "b" * 40, False, "was of commit aaaaaaaaaa, not bbbbbbbbbb: it is begun anew"),
        (True, False, COMMIT.hash, False, "was not finished (--resume would go on with it)"),
        (False, True, COMMIT.hash, False, "there is no unfinished build of 192.0.2.7"),
        (False, False, COMMIT.hash, False, None),
    ],
)
def test_a_build_goes_on_only_if_that_is_wanted_and_of_this_commit(
    tmp_path: Path, has_former: bool, is_wanted: bool, commit: str, is_resumed: bool, words: str | None
) -> None:
    if has_former:
        write_log(tmp_path, 0, BuildStatus.RUNNING)
    former = find_unfinished(tmp_path, ADDRESS)
    opening = open_build(tmp_path, ADDRESS, former, commit if is_wanted else None, Masker())
    assert opening.is_resumed is is_resumed
    assert (opening.log.path == (former.path if former else None)) is is_resumed
    assert json.loads(opening.log.path.read_text())["status"] == "running"
    told = words_about(opening, is_wanted, ADDRESS, Commit(commit, "main", is_dirty=False))
    assert (told is None) if words is None else (words in str(told))


def test_only_one_builds_a_slave_at_a_time_and_others_are_free(tmp_path: Path) -> None:
    with only_builder_of(tmp_path, ADDRESS):
        with pytest.raises(Refused, match="works on"), only_builder_of(tmp_path, ADDRESS):
            pass
        with only_builder_of(tmp_path, Address("192.0.2.8")):
            pass
    with only_builder_of(tmp_path, ADDRESS):
        pass


def test_only_one_builds_a_machine_whatever_it_is_called(tmp_path: Path) -> None:
    here = ("machine-id", "boot-id", "/opt/d8-agent/releases")
    copied, another_user = ("machine-id", "other boot", here[2]), (*here[:2], "/home/ana/releases")
    by_name = Address("pi.local")
    with only_builder_in(tmp_path, here, ADDRESS):
        with (
            pytest.raises(Refused, match=f"works on {ADDRESS} already, which is the same machine as pi.local"),
            only_builder_in(tmp_path, here, by_name),
        ):
            pass
        with only_builder_in(tmp_path, copied, by_name), only_builder_in(tmp_path, another_user, by_name):
            pass
    with only_builder_in(tmp_path, here, by_name):
        pass
