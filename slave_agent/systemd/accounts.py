"""The users of the host whom apps may run as: those on root's list, never root itself and never the agent's user."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from slave_agent.systemd.app_place import SYSTEM_USERS, AppPlace
from slave_agent.systemd.errors import SystemdError
from slave_agent.systemd.service_config import FieldProblem

AGENT_USER = "d8-agent"
FIELD = "user"


@dataclass(frozen=True)
class Account:
    """A user of the host as the kernel knows it, with all its groups."""

    name: str
    user_id: int
    group_id: int
    groups: tuple[int, ...]
    home: str


def find_account(name: str) -> Optional[Account]:
    """Return the account of a user, or None where there is no such user."""
    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        return None
    groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)


def own_account() -> Account:
    """Return the account that this process runs as. Raises SystemdError for an id without a name."""
    try:
        account = find_account(pwd.getpwuid(os.geteuid()).pw_name)
    except KeyError:
        account = None
    if account is None:
        raise SystemdError(f"The user id {os.geteuid()} has no name here.", "Add the user to /etc/passwd.")
    return account


def listed_users(path: Path, owner: int = 0) -> tuple[str, ...]:
    """Return the names on root's list, one a line, `#` begins a comment; without a list there are none.

    Raises SystemdError for a list that somebody else than its owner could have written.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return ()
    except OSError as problem:
        raise SystemdError(f"{path} can't be read: {problem.strerror}", f"Look at it: ls -l {path}") from problem
    with os.fdopen(handle, encoding="utf-8", errors="replace") as stream:
        facts = os.fstat(stream.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid != owner or facts.st_mode & 0o022:
            mend = f"sudo chown root:root {path} && sudo chmod 644 {path}"
            raise SystemdError(f"{path} could have been written by others than root.", f"Mend it: {mend}")
        lines = stream.read(64 * 1024).splitlines()
    names = (line.partition("#")[0].strip() for line in lines)
    return tuple(dict.fromkeys(name for name in names if name))


def command_to_add(user: str) -> str:
    """Return what an administrator runs so that apps may run as a user."""
    return f"echo {user} | sudo tee -a {SYSTEM_USERS}"


def account_for(place: AppPlace, user: str) -> tuple[Optional[Account], Optional[FieldProblem]]:
    """Given a user's name, return its account, or what keeps apps from running as it. Raises SystemdError."""
    if place.users is None:
        own = own_account()
        if user == own.name:
            return own, None
        hint = f"Name {own.name}, or build this slave with root or passwordless sudo."
        return None, FieldProblem(FIELD, f"Without root, apps run as {own.name} alone.", hint)
    account = find_account(user)
    if account is None:
        return None, FieldProblem(FIELD, f"There is no user {user} on this host.", f"sudo useradd --create-home {user}")
    if account.user_id == 0:
        return None, FieldProblem(FIELD, "No app runs as root.", "Name an ordinary user.")
    agent = find_account(AGENT_USER)
    if agent is not None and account.user_id == agent.user_id:
        return None, FieldProblem(FIELD, f"{AGENT_USER} is the agent's own user.", "Name an ordinary user.")
    if account.name not in listed_users(place.users):
        hint = f"An administrator allows it with: {command_to_add(account.name)}"
        return None, FieldProblem(FIELD, f"Apps may not run as {account.name}.", hint)
    return account, None
