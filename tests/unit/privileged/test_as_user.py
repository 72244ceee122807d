"""A look at the host as somebody else: what comes back, that it ends, and that root is really gone."""

from __future__ import annotations

import os
import pwd
import sys
import time
from pathlib import Path

import pytest

from slave_agent.privileged.as_user import become, call_as
from slave_agent.systemd.accounts import Account, find_account
from slave_agent.systemd.errors import SystemdError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def nobody() -> Account:
    account = find_account("nobody")
    assert account is not None
    return account


@needs_root
def test_the_look_is_the_users_own() -> None:
    seen = call_as(nobody(), lambda: [os.getuid(), os.geteuid(), os.getgid(), sorted(os.environ), str(Path.cwd())])
    entry = pwd.getpwnam("nobody")
    assert seen == [entry.pw_uid, entry.pw_uid, entry.pw_gid, ["HOME", "LC_ALL", "LOGNAME", "PATH", "USER"], "/"]


@needs_root
def test_root_does_not_come_back() -> None:
    def regain() -> list[str]:
        refused = []
        for call in (lambda: os.setuid(0), lambda: os.setgroups([0]), lambda: os.open("/etc/shadow", os.O_RDONLY)):
            try:
                call()
            except PermissionError:
                refused.append("refused")
        return refused

    assert call_as(nobody(), regain) == ["refused"] * 3


@needs_root
def test_nobody_hears_what_the_users_programs_say(capfd: pytest.CaptureFixture[str]) -> None:
    def speak() -> bool:
        os.write(1, b'{"ok": true}\n')
        return os.read(0, 10) == b""

    assert call_as(nobody(), speak) is True
    assert capfd.readouterr().out == ""


@needs_root
def test_a_look_that_hangs_is_ended() -> None:
    started = time.monotonic()
    with pytest.raises(SystemdError, match="too long"):
        call_as(nobody(), lambda: time.sleep(600), deadline_seconds=0.5)
    assert time.monotonic() - started < 60


@needs_root
def test_a_look_that_fails_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemdError, match="gave no result"):
        call_as(nobody(), lambda: sys.exit(3))
    assert "SystemExit" in capfd.readouterr().err


@needs_root
def test_nothing_of_a_look_stays_behind() -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        assert call_as(nobody(), lambda: "x" * 100_000) == "x" * 100_000
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@needs_root
def test_an_account_that_is_root_is_no_account() -> None:
    account = find_account("root")
    assert account is not None
    with pytest.raises(SystemdError):
        call_as(account, lambda: "never")
    assert callable(become)
