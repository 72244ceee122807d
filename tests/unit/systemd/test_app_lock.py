"""One operation at a time on one app."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from slave_agent.systemd.app_lock import locked
from slave_agent.systemd.errors import Busy


def test_a_second_holder_gives_up_in_time(tmp_path: Path) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    path = tmp_path / "shop.lock"
    with locked(path), pytest.raises(Busy), locked(path, 2.0, lambda: now[0], sleep):
        raise AssertionError("two held it")
    assert 2.0 <= now[0] < 2.2
    assert not path.exists()


def test_other_apps_do_not_wait(tmp_path: Path) -> None:
    with locked(tmp_path / "shop.lock"), locked(tmp_path / "api.lock", 0):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["api.lock", "shop.lock"]


def test_a_lock_left_by_a_killed_holder_is_nobodys(tmp_path: Path) -> None:
    path = tmp_path / "shop.lock"
    path.touch()
    with locked(path, 0):
        pass
    assert not path.exists()


def test_it_is_given_back_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "shop.lock"
    with pytest.raises(ValueError, match="in the block"), locked(path):
        raise ValueError("in the block")
    with locked(path, 0):
        pass


def test_who_waited_for_a_file_that_is_gone_takes_the_new_one(tmp_path: Path) -> None:
    """A lock on an unlinked file keeps nobody out: the next one to come would make a new file."""
    path = tmp_path / "shop.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    path.unlink()
    with locked(path, 0):
        assert path.exists()
    os.close(handle)


def test_many_never_hold_it_together(tmp_path: Path) -> None:
    path, inside, most = tmp_path / "shop.lock", [0], [0]

    def work() -> None:
        for _ in range(20):
            with locked(path, 60):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] and not path.exists()
