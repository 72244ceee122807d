"""Which of the users that apps run as could become root: an app can do what its user can, or wait for the user to."""

from __future__ import annotations

import grp
from collections.abc import Collection, Iterable, Mapping
from typing import Optional

from slave_agent.privileged.sudoers import names_with_rules
from slave_agent.privileged.sudoers_files import sudoers_texts
from slave_agent.systemd.accounts import find_account

ROOTS_GROUPS = frozenset(
    ["root", "sudo", "wheel", "admin", "docker", "lxd", "incus-admin", "libvirt", "disk", "kmem", "adm"]
)


def users_near_root(users: Iterable[str]) -> dict[str, str]:
    """Return, of these users, those who could become root, with the way: a group, or rules of sudo."""
    ruled = names_with_rules(sudoers_texts()[0])
    ways = {}
    for user in users:
        account = find_account(user)
        groups = {} if account is None else {number: _group_name(number) for number in account.groups}
        if account is not None and (way := way_to_root(user, account.user_id, groups, ruled)) is not None:
            ways[user] = way
    return ways


def way_to_root(user: str, user_id: int, groups: Mapping[int, str], ruled: Collection[str]) -> Optional[str]:
    """Given a user, the groups by number, and whom sudo's rules are for, return the way to root, or None. Pure."""
    named = sorted(ROOTS_GROUPS.intersection(groups.values()))
    ways = [f"the group{'s' if named[1:] else ''} {', '.join(named)}"] if named else []
    own = {user, f"#{user_id}", "ALL", *(f"%{name}" for name in groups.values()), *(f"%#{one}" for one in groups)}
    if own.intersection(ruled):
        ways.append("rules of sudo")
    return " and ".join(ways) or None


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
