"""What an installation brings for apps, and what goes with it: the list of users that apps may run as, and the apps."""

from __future__ import annotations

import os
import pwd
from collections.abc import Sequence

from slave_agent.activation.agent_user import find_agent_user
from slave_agent.activation.commands import Finished, Runner
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import write_file
from slave_agent.activation.layout import Layout
from slave_agent.activation.states import Scope
from slave_agent.systemd.accounts import listed_users
from slave_agent.systemd.app_place import AppPlace, system_place, user_place
from slave_agent.systemd.errors import SystemdError
from slave_agent.systemd.kept_apps import KeptApps
from slave_agent.systemd.service_config import unit_name
from slave_agent.systemd.systemctl import Systemctl

HEADER = "# The users that apps may run as, one a line. Root alone writes here; root itself is never one of them.\n"


def check_app_users(users: Sequence[str]) -> None:
    """Raises ActivationError for a user that no app can run as."""
    agent = find_agent_user()
    for user in users:
        try:
            user_id = pwd.getpwnam(user).pw_uid
        except KeyError as problem:
            raise ActivationError(
                f"There is no user {user} for apps.", f"sudo useradd --create-home {user}"
            ) from problem
        if user_id == 0 or (agent is not None and user_id == agent.user_id):
            raise ActivationError(f"No app can run as {user}.", "Name ordinary users in app_users.")


def write_app_users(layout: Layout, bootstrap_user: str | None, users: Sequence[str]) -> None:
    """Write root's list, or add to it: at first the bootstrap's ordinary user, always those that are named.

    What an administrator has written there stays, and a user that he has taken off is not put back by a new build.
    """
    place = _place(layout)
    if place is None or place.users is None:
        return
    is_new = not place.users.exists()
    try:
        before = "" if is_new else place.users.read_text(encoding="utf-8")
        listed = listed_users(place.users)
    except SystemdError as problem:
        raise ActivationError(problem.message, problem.hint) from problem
    first = [bootstrap_user] if is_new and bootstrap_user and pwd.getpwnam(bootstrap_user).pw_uid != 0 else []
    added = [user for user in dict.fromkeys([*first, *users]) if user not in listed]
    if is_new or added:
        lines = before if not before or before.endswith("\n") else before + "\n"
        write_file(place.users, (lines or HEADER) + "".join(f"{user}\n" for user in added), 0o644)


def remove_apps(layout: Layout, runner: Runner) -> int:
    """Stop and remove all apps; return how many there were. Raises ActivationError while one of them does not stop."""
    place = _place(layout)
    if place is None:
        return 0
    environment = {} if not place.is_user else {"XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}"}

    def run(argv: Sequence[str], seconds: float) -> Finished:
        return runner.run(argv, timeout_seconds=seconds, env=environment)

    apps = KeptApps(place, Systemctl(run, place.is_user))
    try:
        names = apps.installed()
        scope = ["--user"] if place.is_user else []
        if names:  # all begin to stop at once; what follows waits for each
            run(["systemctl", *scope, "--no-block", "stop", "--", *(unit_name(name) for name in names)], 30.0)
        for name in names:
            apps.remove_unit(name)
    except SystemdError as problem:
        raise ActivationError(problem.message, problem.hint) from problem
    return len(names)


def _place(layout: Layout) -> AppPlace | None:
    """Where the apps of an installation lie; None where nothing can run them."""
    if layout.scope is Scope.SYSTEM:
        return system_place()
    return user_place(layout.units.parents[2], layout.etc) if layout.scope is Scope.USER else None
