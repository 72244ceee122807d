"""Rules of sudo that make somebody root by way of systemctl, in all the shapes that sudo takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from slave_agent.privileged.near_root import way_to_root
from slave_agent.privileged.sudoers import files_with_free_systemctl, names_with_rules
from slave_agent.privileged.sudoers_files import sudoers_finding

FREE = [
    "siax-agent ALL=(ALL) NOPASSWD: /bin/systemctl",
    "siax-agent ALL=(ALL) NOPASSWD: /usr/bin/systemctl *",
    "%ops ALL = NOPASSWD: /bin/ls, /usr/bin/systemctl",
    "Cmnd_Alias UNITS = /bin/systemctl\nagent ALL=(root) NOPASSWD: UNITS",
    "agent ALL=(root) NOPASSWD: OUTER\nCmnd_Alias OUTER = INNER : INNER = /bin/ls, /bin/systemctl",
    "User_Alias OPS = ana, bob\nOPS ALL=NOPASSWD: /bin/systemctl restart *",
    "agent ALL=NOPASSWD: /bin/systemctl restart shop.service, /bin/systemctl status shop.service",
    "agent ALL=NOPASSWD: /bin/systemctl edit shop.service",
    "agent ALL=NOPASSWD: /bin/systemctl --user restart shop.service",
    'agent ALL=NOPASSWD: /bin/systemctl ""',
    "Defaults !authenticate\nagent ALL=(ALL) /bin/systemctl",
    "Defaults:agent !authenticate\nagent ALL=(ALL) /bin/systemctl",
    "agent ALL=(ALL) NOPASSWD: /usr/bin/",
    "agent ALL=(ALL) NOPASSWD: /bin/system*",
    "agent ALL=(ALL) NOPASSWD: ^/usr/bin/systemctl$",
    "agent ALL=(ALL) NOPASSWD: \\\n    /bin/systemctl",
    "agent one=/bin/ls : two = NOPASSWD: /bin/systemctl",
    "agent ALL=(root) NOPASSWD:SETENV: sha256:0a1b /bin/systemctl",
    "#1001 ALL=(root) NOPASSWD: /bin/systemctl",
    "agent ALL=(www-data) NOPASSWD: /bin/ls, (root) /bin/systemctl",
    "agent ALL=(root) CWD=/tmp NOPASSWD: /bin/systemctl",
]
HARMLESS = [
    "",
    "root ALL=(ALL:ALL) ALL",
    "pi ALL=(ALL) NOPASSWD: ALL",
    "agent ALL=(ALL) /bin/systemctl",
    "agent ALL=(ALL) NOPASSWD: /bin/ls, PASSWD: /bin/systemctl",
    "agent ALL=(www-data) NOPASSWD: /bin/systemctl",
    "agent ALL=(root) NOPASSWD: !/bin/systemctl",
    "agent ALL=NOPASSWD: /bin/systemctl restart shop.service",
    "agent ALL=NOPASSWD: /bin/systemctl restart nginx, /bin/systemctl stop shop@1.service",
    "# agent ALL=(ALL) NOPASSWD: /bin/systemctl",
    "Cmnd_Alias UNITS = /bin/systemctl",
    "Defaults secure_path=/bin:/usr/bin",
    "agent ALL=(ALL) NOPASSWD: /usr/bin/systemctl-like",
]


@pytest.mark.parametrize("text", FREE)
def test_a_rule_that_makes_root_is_found(text: str) -> None:
    assert files_with_free_systemctl({"/etc/sudoers.d/agent": text}) == ["/etc/sudoers.d/agent"]


@pytest.mark.parametrize("text", HARMLESS)
def test_a_rule_that_does_not_is_left_alone(text: str) -> None:
    assert files_with_free_systemctl({"/etc/sudoers.d/agent": text}) == []


def test_an_alias_of_one_file_counts_in_another() -> None:
    texts = {"/etc/sudoers": "Cmnd_Alias UNITS = /bin/systemctl", "/etc/sudoers.d/a": "agent ALL=NOPASSWD: UNITS"}
    assert files_with_free_systemctl(texts) == ["/etc/sudoers.d/a"]


def test_the_files_are_read_as_sudo_reads_them(tmp_path: Path) -> None:
    rule = "agent ALL=(ALL) NOPASSWD: /bin/systemctl\n"
    folder = tmp_path / "sudoers.d"
    folder.mkdir()
    for name in ("agent", "old.bak", "old~"):
        (folder / name).write_text(rule)
    (tmp_path / "more").write_text(rule)
    (tmp_path / "sudoers").write_text(f"root ALL=(ALL) ALL\n@include {tmp_path}/more\n#includedir {folder}\n")
    (tmp_path / "more").write_text(rule + f"@include {tmp_path}/sudoers\n")
    answer = sudoers_finding(tmp_path / "sudoers")
    assert answer == {"files": [str(tmp_path / "more"), str(folder / "agent")], "unread": []}


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "sudoers").write_text(f"@include {tmp_path}/folder\n")
    (tmp_path / "folder").mkdir()
    assert sudoers_finding(tmp_path / "sudoers") == {"files": [], "unread": [str(tmp_path / "folder")]}
    assert sudoers_finding(tmp_path / "nothing") == {"files": [], "unread": []}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", set()),
        ("Defaults env_reset\nDefaults:pi !authenticate\n# bob ALL=ALL", set()),
        ("root\tALL=(ALL:ALL) ALL\n%sudo   ALL=(ALL:ALL) ALL", {"root", "%sudo"}),
        ("pi, bob ALL = (ALL) NOPASSWD: ALL", {"pi", "bob"}),
        ("#1001 h1=ALL", {"#1001"}),
        ("User_Alias OPS = ana, MORE : MORE = bob\nOPS ALL=ALL", {"OPS", "ana", "MORE", "bob"}),
        ("User_Alias OPS = ana", set()),
        ("ALL ALL=(ALL) ALL", {"ALL"}),
    ],
)
def test_whom_rules_are_for(text: str, names: set[str]) -> None:
    assert names_with_rules({"/etc/sudoers": text}) == names


@pytest.mark.parametrize(
    ("groups", "ruled", "way"),
    [
        ({1000: "pi", 44: "video"}, {"root", "%sudo"}, None),
        ({27: "sudo"}, {"root", "%sudo"}, "the group sudo and rules of sudo"),
        ({998: "docker", 6: "disk"}, set(), "the groups disk, docker"),
        ({1000: "pi"}, {"pi"}, "rules of sudo"),
        ({1000: "pi"}, {"#1001"}, "rules of sudo"),
        ({1000: "pi"}, {"%#1000"}, "rules of sudo"),
        ({1000: "pi"}, {"ALL"}, "rules of sudo"),
    ],
)
def test_the_ways_of_a_user_to_root(groups: dict[int, str], ruled: set[str], way: str | None) -> None:
    assert way_to_root("pi", 1001, groups, ruled) == way
