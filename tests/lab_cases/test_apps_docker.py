"""Apps of a slave whose agent runs in Docker: the host's own services, through the same helper, with the same cases."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.lab.lab import Lab
from tests.support import app_cases
from tests.support.app_slave import AppSlave, python
from tests.support.master import Master

BASE_IMAGE = "d8-lab-base:1"


@pytest.fixture(scope="module")
def slave(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppSlave]:
    host = lab.host("docker", runtimes=True)
    host.run("until docker info >/dev/null 2>&1; do sleep 0.5; done", timeout_seconds=60)
    with subprocess.Popen(["tar", "-C", str(lab.base_tree()), "-c", "."], stdout=subprocess.PIPE) as tar:
        host.run(["docker", "import", "-", BASE_IMAGE], input=tar.stdout, timeout_seconds=180)
    settings = {"D8_STRATEGIES": "docker", "D8_DOCKER_BASE_IMAGE": BASE_IMAGE}
    master = Master(tmp_path_factory.mktemp("master"), lab.master_address, settings)
    master.bring_bootstrap(host)
    assert master.build(host)["strategy"] == "docker"
    built = AppSlave(host, master.token("agent"), master.data / "pki" / "d8-ca.pem", host.user)
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
    app_cases.an_app_that_crashes_at_start_is_refused_with_its_reason(slave, "fastapi")


def test_a_change_is_shown_applied_on_request_and_taken_back_if_it_fails(slave: AppSlave) -> None:
    app_cases.a_change_is_shown_applied_on_request_and_taken_back_if_it_fails(slave)


def test_what_the_container_does_not_see_is_not_claimed(slave: AppSlave) -> None:
    """The host's unit files are not mounted: whether one was edited is not known, that one is gone is."""
    slave.done("POST", "/api/apps/register", python(slave), 201)
    slave.host.run("sed -i 's/^Restart=.*/Restart=no/' /etc/systemd/system/d8-app-worker.service")
    slave.host.run("systemctl daemon-reload")
    assert slave.status("worker")["problem"] is None
    slave.host.run("systemctl disable --now d8-app-worker && rm /etc/systemd/system/d8-app-worker.service")
    slave.host.run("systemctl daemon-reload")
    assert "removed by hand" in slave.status("worker")["problem"]


def test_it_has_the_rights_of_the_host(slave: AppSlave) -> None:
    """Root's helper, systemd, the journal and the processes are the host's, through the container's mounts."""
    document = slave.done("GET", "/api/permissions")
    assert document["ok"] is True, document
    assert {one["name"]: one["granted"] for one in document["permissions"]} == dict.fromkeys(
        ["root-helper", "app-users", "systemd", "journal", "processes", "survives-reboot"], True
    ) | {"unit-files": False}
