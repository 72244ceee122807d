"""What is told of the agent's rights, scope by scope."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from slave_agent.models import AgentSettings
from slave_agent.permissions import HostView, no_report, own_report, system_report
from slave_agent.privilege import Permission
from slave_agent.privilege_choice import log_what_is_missing
from slave_agent.settings import load_settings
from slave_agent.states import Scope
from tests.support.agent_process import write_settings

ALL = HostView("d8-agent", has_manager=True, reads_journal=True, sees_processes=True)
NOTHING = HostView("d8-agent", has_manager=False, reads_journal=False, sees_processes=False)
HELPER = Permission("root-helper", True, "root's helper answers")
NO_HELPER = Permission("root-helper", False, "there is no root helper", "sudo systemctl enable --now d8-helper.socket")
USERS: dict[str, object] = {"users": ["pi"], "command": "echo USER | sudo tee -a /etc/d8-agent/app-users"}
NO_RULES: dict[str, list[str]] = {"files": [], "unread": []}


@pytest.fixture
def settings(tmp_path: Path) -> AgentSettings:
    return replace(load_settings(write_settings(tmp_path)), scope=Scope.SYSTEM, survives_reboot=True)


def test_with_everything_it_is_well(settings: AgentSettings) -> None:
    document = system_report(settings, ALL, HELPER, USERS, NO_RULES).as_json()
    assert document["ok"] is True and document["scope"] == "system"
    assert [one["name"] for one in document["permissions"]] == [
        *("root-helper", "app-users", "systemd", "journal", "processes", "survives-reboot")
    ]
    assert all(one["granted"] and one["command"] is None for one in document["permissions"])
    assert document["sudoers"]["found"] is False and document["sudoers"]["files"] == []


def test_whatever_is_missing_has_its_command(settings: AgentSettings) -> None:
    report = system_report(settings, NOTHING, NO_HELPER, {}, {})
    assert not report.is_ok
    assert [one.name for one in report.missing] == ["root-helper", "app-users", "systemd", "journal", "processes"]
    assert all(one.command for one in report.missing)
    assert "grep" in (report.sudoers.command or "") and report.sudoers.found is None


def test_a_list_without_users_says_how_one_gets_there(settings: AgentSettings) -> None:
    report = system_report(settings, ALL, HELPER, {**USERS, "users": []}, NO_RULES)
    assert [(one.name, one.command) for one in report.missing] == [("app-users", USERS["command"])]


def test_users_who_are_close_to_root_are_named(settings: AgentSettings) -> None:
    users = {**USERS, "users": ["pi", "shop"], "near_root": {"pi": "the group docker"}}
    report = system_report(settings, ALL, HELPER, users, NO_RULES)
    named = report.permissions[1]
    assert (
        named.detail == "apps may run as: pi, shop; an app of pi could become root through the group docker"
    ) and named.granted
    assert "useradd" in (named.command or "") and report.is_ok


def test_what_a_container_hides_is_told(settings: AgentSettings) -> None:
    report = system_report(settings, replace(ALL, is_contained=True), HELPER, USERS, NO_RULES)
    assert report.is_ok and [one.name for one in report.missing] == ["unit-files"]
    assert "edit by hand is not seen" in report.missing[0].detail and report.missing[0].command


def test_the_missions_rule_is_explained_as_what_it_is(settings: AgentSettings) -> None:
    rules = {"files": ["/etc/sudoers.d/siax-agent"], "unread": []}
    sudoers = system_report(settings, ALL, HELPER, USERS, rules).as_json()["sudoers"]
    assert sudoers["found"] is True and sudoers["files"] == ["/etc/sudoers.d/siax-agent"]
    assert "root for everybody" in sudoers["explanation"].replace("\n", " ")
    assert sudoers["command"].startswith("sudo visudo -f /etc/sudoers.d/siax-agent")


def test_without_root_only_the_own_user_is_no_fault(settings: AgentSettings) -> None:
    user = replace(settings, scope=Scope.USER)
    report = own_report(user, ALL)
    assert report.is_ok and [one.name for one in report.missing] == ["other-users"]
    journal = next(one for one in own_report(user, NOTHING).missing if one.name == "journal")
    assert journal.command == "sudo usermod -aG systemd-journal d8-agent && systemctl --user restart d8-agent"


def test_without_services_the_way_to_them_is_told(settings: AgentSettings) -> None:
    plain = replace(settings, scope=Scope.CRON, persistence_command="sudo loginctl enable-linger bob")
    report = no_report(plain, NOTHING, "no systemd for this agent")
    assert not report.is_ok
    assert report.permissions[0].name == "services"
    assert report.permissions[0].command == "sudo loginctl enable-linger bob"


def test_the_log_says_once_what_is_missing(settings: AgentSettings, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        log_what_is_missing(system_report(settings, ALL, NO_HELPER, USERS, {"files": ["/etc/sudoers.d/x"]}))
    assert "missing: root-helper" in caplog.text and "d8-helper.socket" in caplog.text
    assert "/etc/sudoers.d/x" in caplog.text
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_rules_that_nobody_could_read_are_not_said_to_be_none(settings: AgentSettings) -> None:
    half_read = system_report(settings, ALL, HELPER, USERS, {"files": [], "unread": ["/etc/sudoers.d/x"]})
    assert half_read.sudoers.found is None and "/etc/sudoers.d/x" in half_read.sudoers.explanation
    all_read = system_report(settings, ALL, HELPER, USERS, NO_RULES).sudoers
    assert all_read.found is False and "ALL" in all_read.explanation
