"""Apps on a slave without root: units of the user's own, with the same cases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.lab import Lab
from tests.support import app_cases
from tests.support.app_slave import AppSlave, node
from tests.support.master import Master


@pytest.fixture(scope="module")
def slave(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppSlave]:
    host = lab.host("no-sudo", linger=True, runtimes=True)
    master = Master(tmp_path_factory.mktemp("master"), lab.master_address)
    master.bring_bootstrap(host)
    master.build(host)
    built = AppSlave(host, master.token("agent"), master.data / "pki" / "d8-ca.pem", host.user, is_user_scope=True)
    assert built.done("GET", "/api/system")["activation"]["scope"] == "user"
    built.bring_apps()
    yield built
    lab.remove(host)


@pytest.fixture(autouse=True)
def no_app_is_left(slave: AppSlave) -> Iterator[None]:
    """Each test begins and ends without an app, whatever became of it."""
    yield
    for name in slave.names():
        slave.patiently("DELETE", f"/api/apps/{name}")


@pytest.mark.parametrize("kind", ["node", "fastapi"])
def test_an_app_lives_from_register_to_delete(slave: AppSlave, kind: str) -> None:
    app_cases.an_app_lives_from_register_to_delete(slave, kind)


def test_a_second_operation_within_a_second_is_refused(slave: AppSlave) -> None:
    app_cases.a_second_operation_within_a_second_is_refused(slave)


def test_what_can_not_run_is_refused_with_every_wrong_field_at_once(slave: AppSlave) -> None:
    app_cases.what_can_not_run_is_refused_with_every_wrong_field_at_once(slave)


def test_an_app_that_crashes_at_start_is_refused_with_its_reason(slave: AppSlave) -> None:
    app_cases.an_app_that_crashes_at_start_is_refused_with_its_reason(slave, "node")


def test_a_change_is_shown_applied_on_request_and_taken_back_if_it_fails(slave: AppSlave) -> None:
    app_cases.a_change_is_shown_applied_on_request_and_taken_back_if_it_fails(slave)


def test_apps_run_only_as_the_agents_own_user(slave: AppSlave) -> None:
    answer = slave.call("POST", "/api/apps/register", node(slave) | {"user": "mallory"})
    assert answer.status == 422
    assert "user" in {problem["field"] for problem in answer.document["problems"]}


def test_apps_come_back_after_a_reboot(slave: AppSlave) -> None:
    slave.done("POST", "/api/apps/register", node(slave), 201)
    slave.host.reboot(timeout_seconds=180)
    slave.wait_for_agent()
    seen = slave.wait_for_status("shop", "running")
    assert slave.owner_of(seen["pid"]) == slave.user
