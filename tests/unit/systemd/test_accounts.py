"""Whom apps may run as."""

from __future__ import annotations

import os
import pwd
from dataclasses import replace
from pathlib import Path

import pytest

from slave_agent.systemd import accounts
from slave_agent.systemd.accounts import Account, account_for, find_account, listed_users, own_account
from slave_agent.systemd.app_place import system_place, user_place
from slave_agent.systemd.errors import SystemdError

ME = os.geteuid()
EXISTING = {
    "root": Account("root", 0, 0, (0,), "/root"),
    "toor": Account("toor", 0, 0, (0,), "/root"),
    "d8-agent": Account("d8-agent", 990, 990, (990,), "/var/lib/d8-agent"),
    "alias": Account("alias", 990, 990, (990,), "/"),
    "ana": Account("ana", 1000, 1000, (1000,), "/home/ana"),
    "bob": Account("bob", 1001, 1001, (1001,), "/home/bob"),
}


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list that its owner could have written, and the users of a host."""
    path = tmp_path / "app-users"
    path.write_text("# who may\nana\n\n  toor # an alias of root\nroot\nd8-agent\nalias\nghost\nana\n")
    path.chmod(0o644)
    monkeypatch.setattr(accounts, "find_account", EXISTING.get)
    monkeypatch.setattr(accounts, "listed_users", lambda place: listed_users(place, owner=ME))
    return path


def test_the_list_is_read_line_by_line(users: Path) -> None:
    assert listed_users(users, owner=ME) == ("ana", "toor", "root", "d8-agent", "alias", "ghost")
    assert listed_users(users.with_name("missing"), owner=ME) == ()


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646])
def test_a_list_that_others_can_write_counts_for_nothing(users: Path, mode: int) -> None:
    users.chmod(mode)
    with pytest.raises(SystemdError, match="by others than root"):
        listed_users(users, owner=ME)


def test_a_list_of_somebody_else_counts_for_nothing(users: Path) -> None:
    with pytest.raises(SystemdError, match="by others than root"):
        listed_users(users, owner=ME + 1)


def test_a_link_is_no_list(users: Path) -> None:
    link = users.with_name("link")
    link.symlink_to(users)
    with pytest.raises(SystemdError, match="can't be read"):
        listed_users(link, owner=ME)


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("root", "runs as root"),
        ("toor", "runs as root"),
        ("d8-agent", "agent's own user"),
        ("alias", "agent's own user"),
        ("bob", "may not run as bob"),
        ("ghost", "no user ghost"),
    ],
)
def test_who_may_not_is_refused_whatever_the_list_says(users: Path, user: str, said: str) -> None:
    account, problem = account_for(replace(system_place(), users=users), user)
    assert account is None and problem is not None
    assert problem.field == "user" and said in problem.message
    if user == "bob":
        assert problem.hint.endswith("echo bob | sudo tee -a /etc/d8-agent/app-users")


def test_who_is_listed_may(users: Path) -> None:
    assert account_for(replace(system_place(), users=users), "ana") == (EXISTING["ana"], None)


def test_without_root_only_the_own_user_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "own_account", lambda: EXISTING["bob"])
    place = user_place(Path("/home/bob"), Path("/home/bob/etc"))
    assert account_for(place, "bob") == (EXISTING["bob"], None)
    account, problem = account_for(place, "ana")
    assert account is None and problem is not None and "bob alone" in problem.message


def test_accounts_are_the_kernels() -> None:
    entry = pwd.getpwuid(ME)
    own = own_account()
    assert (own.name, own.user_id, own.home) == (entry.pw_name, ME, entry.pw_dir)
    assert entry.pw_gid in own.groups
    assert find_account("nobody-of-that-name") is None and find_account("a\0b") is None
