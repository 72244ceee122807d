"""Which scope a host allows, and the administrator's command."""

from __future__ import annotations

from dataclasses import replace

import pytest

from slave_agent.activation.persistence import HostFacts, choose_scope, persistence_command
from slave_agent.activation.states import Scope

PLAIN = HostFacts(
    user="bob",
    is_root=False,
    has_sudo=False,
    has_systemd=True,
    has_pam_systemd=False,
    can_linger=False,
    has_cron=False,
    package_manager="apt-get",
)
LINES = [
    "@reboot /usr/bin/python3 -I /x/d8-activate guard --loop",
    "* * * * * /usr/bin/python3 -I /x/d8-activate guard --loop",
]


@pytest.mark.parametrize(
    ("changes", "scope"),
    [
        ({"is_root": True}, Scope.SYSTEM),
        ({"has_sudo": True}, Scope.SYSTEM),
        ({"has_sudo": True, "can_linger": True, "has_cron": True}, Scope.SYSTEM),
        ({"has_sudo": True, "has_systemd": False, "has_cron": True}, Scope.CRON),
        ({"can_linger": True, "has_cron": True}, Scope.USER),
        ({"can_linger": True, "has_systemd": False}, Scope.NOHUP),
        ({"has_cron": True}, Scope.CRON),
        ({}, Scope.NOHUP),
        ({"is_root": True, "has_systemd": False}, Scope.NOHUP),
    ],
)
def test_the_best_scope_of_a_host(changes: dict[str, bool], scope: Scope) -> None:
    assert choose_scope(replace(PLAIN, **changes)) is scope


@pytest.mark.parametrize("scope", [Scope.SYSTEM, Scope.USER, Scope.CRON])
def test_what_survives_already_needs_no_command(scope: Scope) -> None:
    assert persistence_command(PLAIN, scope, LINES) is None


@pytest.mark.parametrize(
    ("changes", "command"),
    [
        ({"has_pam_systemd": True}, "loginctl enable-linger bob"),
        ({}, "apt-get update && apt-get install -y libpam-systemd && loginctl enable-linger bob"),
        ({"package_manager": "dnf"}, "loginctl enable-linger bob"),
        (
            {"user": "o'neil"},
            "apt-get update && apt-get install -y libpam-systemd && loginctl enable-linger 'o'\"'\"'neil'",
        ),
        ({"package_manager": None, "has_pam_systemd": True}, "loginctl enable-linger bob"),
    ],
)
def test_with_systemd_lingering_is_what_is_missing(changes: dict[str, object], command: str) -> None:
    assert persistence_command(replace(PLAIN, **changes), Scope.NOHUP, LINES) == command  # type: ignore[arg-type]


def test_without_systemd_it_is_cron() -> None:
    command = persistence_command(replace(PLAIN, has_systemd=False, package_manager="apk"), Scope.NOHUP, LINES)
    assert command is not None
    assert command.startswith("apk add cronie && printf '@reboot ")
    assert command.endswith("| crontab -u bob -")


def test_where_nothing_helps_it_says_so_in_a_comment() -> None:
    command = persistence_command(replace(PLAIN, has_systemd=False, package_manager=None), Scope.NOHUP, LINES)
    assert command is not None and command.startswith("# neither systemd nor cron here")
