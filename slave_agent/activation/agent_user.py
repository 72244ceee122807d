"""The agent's own unprivileged user in the system scope: made, found, removed."""

from __future__ import annotations

import pwd

from slave_agent.activation.commands import Runner
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import Owner
from slave_agent.activation.layout import AGENT_USER


def ensure_agent_user(runner: Runner) -> Owner:
    """Make the user where it is missing and return its ids. Raises ActivationError when the host refuses."""
    if find_agent_user() is None:
        options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/var/lib/d8-agent"]
        finished = runner.run(["useradd", *options, "--shell", "/usr/sbin/nologin", AGENT_USER])
        if not finished.is_ok and find_agent_user() is None:
            raise ActivationError(
                f"The user {AGENT_USER} could not be made: {finished.reason}", "Make it with useradd."
            )
    owner = find_agent_user()
    if owner is None or owner.user_id == 0:
        raise ActivationError(f"The user {AGENT_USER} is not usable.", "It has to be an ordinary system user.")
    return owner


def find_agent_user() -> Owner | None:
    """Return the ids of the agent's user, or None."""
    try:
        entry = pwd.getpwnam(AGENT_USER)
    except KeyError:
        return None
    return Owner(entry.pw_uid, entry.pw_gid)


def remove_agent_user(runner: Runner) -> None:
    """Remove the user and its group."""
    if find_agent_user() is not None:
        runner.run(["userdel", AGENT_USER])
