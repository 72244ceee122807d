"""Which scope a host allows, and the administrator's command."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from slave_agent.activation.layout import layout_for
from slave_agent.activation.persistence import HostFacts, choose_scope, persistence_command
from slave_agent.activation.plain_keeper import cron_lines
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
    assert command.startswith("apk add cronie && { crontab -u bob -l ")
    assert command.endswith("| crontab -u bob -")


CRONTAB = """#!/bin/sh
# As cron's: crontab -u bob -l, or crontab -u bob - with the new one on standard input.
if [ "$3" = -l ]; then cat "$TABLE" || { echo "no crontab for $2" >&2; exit 1; }; fi
if [ "$3" = - ]; then cat > "$TABLE.new" && mv "$TABLE.new" "$TABLE"; fi
"""


@pytest.mark.parametrize("others", [None, "", "5 4 * * * backup 100%\n"])
def test_the_crontab_command_keeps_the_users_own_lines_and_can_be_repeated(tmp_path: Path, others: str | None) -> None:
    (tmp_path / "crontab").write_text(CRONTAB)
    (tmp_path / "crontab").chmod(0o755)
    table = tmp_path / "table"
    if others is not None:
        table.write_text(others)
    layout = layout_for(Scope.CRON, tmp_path / "it's 100%" / "opt", tmp_path, 1000, "/usr/bin/python3")
    lines = cron_lines(layout)
    command = persistence_command(replace(PLAIN, has_systemd=False, package_manager="apk"), Scope.NOHUP, lines)
    assert command is not None
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TABLE": str(table)}
    for _ in range(2):
        subprocess.run(["sh", "-ec", command.partition(" && ")[2]], env=environment, check=True)
        assert table.read_text() == (others or "") + "".join(f"{line}\n" for line in lines)


def test_where_nothing_helps_it_says_so_in_a_comment() -> None:
    command = persistence_command(replace(PLAIN, has_systemd=False, package_manager=None), Scope.NOHUP, LINES)
    assert command is not None and command.startswith("# neither systemd nor cron here")
