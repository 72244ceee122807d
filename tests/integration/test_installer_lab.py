"""The install script on booted hosts: with sudo, as root, on older and newer Debian; and what systemd sweeps there."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from d8.installers.generator import write_installer
from d8.models import Installer
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.agent_process import presented_fingerprint, unchecked_context
from tests.support.installers import make_installer

SCRIPT = "install_slave.sh"
NOW = datetime.datetime(2026, 3, 4, 5, 6, 7)  # noqa: DTZ001  a name for a file


@dataclass
class Slave:
    """A host with the bootstrap running on it, and what opens it."""

    host: Host
    installer: Installer

    def ask(self, method: str, path: str, document: Any = None, timeout_seconds: float = 60) -> Any:
        connection = http.client.HTTPSConnection(
            self.host.address, self.installer.port, timeout=timeout_seconds, context=unchecked_context()
        )
        connection.connect()
        assert presented_fingerprint(connection.sock) == self.installer.fingerprint
        headers = {"Authorization": f"Bearer {self.installer.token}"}
        connection.request(method, path, body=None if document is None else json.dumps(document), headers=headers)
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def execute(self, command: str, **fields: Any) -> Any:
        return self.ask("POST", "/api/execute", {"command": command, **fields})

    def count(self, marker: str) -> int:
        """How many processes of the host have this text in their command line."""
        return sum(marker in process.command for process in self.host.processes() if "pgrep" not in process.command)


def home_of(host: Host) -> str:
    return "/root" if host.user == "root" else f"/home/{host.user}"


def install(host: Host, tmp_path: Path, *options: str, **overrides: Any) -> Slave:
    """Copy the script to the host and run it with --start."""
    installer = make_installer(bind="0.0.0.0", privilege="auto", **overrides)
    script = write_installer(installer, tmp_path / "scripts", NOW)
    host.push(script, f"{home_of(host)}/{SCRIPT}", owner=host.user, mode=0o600)
    host.run(f"sh {SCRIPT} --start {' '.join(options)}", host.user, timeout_seconds=300)
    return Slave(host, installer)


@contextlib.contextmanager
def on(lab: Lab, profile: str, tmp_path: Path) -> Iterator[Slave]:
    host = lab.host(profile)
    try:
        yield install(host, tmp_path)
    finally:
        lab.remove(host)


@pytest.mark.parametrize("profile", ["bare", "root-only", "no-sudo", "debian13", "bullseye"])
def test_the_script_makes_a_server_that_answers_over_the_network(lab: Lab, tmp_path: Path, profile: str) -> None:
    with on(lab, profile, tmp_path) as slave:
        host = slave.ask("GET", "/api/health")["host"]
        assert host["user"] == slave.host.user
        assert slave.host.address in host["addresses"]
        assert host["machine_id"] == slave.host.machine_id
        answer = slave.execute("id -un; umask; echo $HOME")
        assert answer["stdout"] == f"{slave.host.user}\n0022\n{home_of(slave.host)}\n"
        slave.host.run(f"sh {SCRIPT} --uninstall", slave.host.user)
        assert not slave.host.exists(f"{home_of(slave.host)}/d8_slave")
        assert slave.count("slave_server.py") == 0


def test_a_host_without_python_gets_it_from_apt(lab: Lab, tmp_path: Path) -> None:
    host = lab.host("bare")
    try:
        host.run(
            "apt-get remove -y --purge python3-minimal python3.11-minimal libpython3-stdlib",
            check=False,
            timeout_seconds=120,
        )
        assert host.run("command -v python3", check=False).returncode != 0
        slave = install(host, tmp_path)
        assert slave.execute("python3 --version")["success"]
    finally:
        lab.remove(host)


@pytest.fixture(scope="module", params=["bare", "root-only"])
def slave(lab: Lab, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Slave]:
    with on(lab, request.param, tmp_path_factory.mktemp("slave")) as running:
        yield running


def sudo(slave: Slave) -> str:
    return "" if slave.host.user == "root" else "sudo -n "


def test_a_job_has_a_unit_of_its_own(slave: Slave) -> None:
    answer = slave.execute("cat /proc/self/cgroup; id -un; echo $D8_JOB_TAG", id="own-unit")
    assert "/d8-job-own-unit.service" in answer["stdout"]
    assert answer["stdout"].endswith(f"{slave.host.user}\nown-unit\n")
    deadline = time.monotonic() + 5
    while "own-unit" in slave.host.run("systemctl --no-legend --plain list-units 'd8-job-*'").stdout:
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "shape",
    [
        "{sudo}sleep {mark} & echo x",
        "{sudo}setsid sh -c 'sleep {mark} & sleep {mark}' & sleep 0.3; echo x",
        "({sudo}setsid nohup sh -c '(setsid sleep {mark} &) &' >/dev/null 2>&1 &); sleep 0.3; echo x",
        "{sudo}sh -c 'trap \"\" TERM HUP; sleep {mark}; sleep {mark}' & sleep 0.3; echo x",
        "{sudo}env -i setsid sleep {mark} & sleep 0.3; echo x",
    ],
)
def test_what_root_left_behind_for_a_job_is_ended(slave: Slave, shape: str) -> None:
    mark = str(200_000_000 + abs(hash((shape, slave.host.user))) % 1_000_000)
    answer = slave.execute(shape.format(sudo=sudo(slave), mark=mark), timeout=30)
    assert answer["stdout"] == "x\n"
    assert answer["state"] == "succeeded"
    assert slave.count(mark) == 0


def test_a_deadline_and_a_cancel_end_root_children_too(slave: Slave) -> None:
    command = f"{sudo(slave)}sleep 300000001"
    assert slave.execute(command, timeout=1)["state"] == "timed_out"
    assert slave.count("300000001") == 0
    slave.execute(command, id="to-cancel", wait=False)
    time.sleep(0.3)
    assert slave.ask("POST", "/api/jobs/to-cancel/cancel", {})["state"] == "cancelled"
    assert slave.count("300000001") == 0


def test_a_service_that_drops_the_tag_stays(slave: Slave) -> None:
    answer = slave.execute("env -u D8_JOB_TAG setsid sleep 300000002 >/dev/null 2>&1 & echo x")
    assert answer["stdout"] == "x\n", answer
    time.sleep(1)
    assert slave.count("300000002") == 1, answer["stderr"]
    slave.host.run("pkill -f 'sleep 300000002'")


def test_a_unit_that_a_job_starts_stays(slave: Slave) -> None:
    assert slave.execute(f"{sudo(slave)}systemd-run --collect --unit=kept sleep 300000003")["success"]
    time.sleep(0.5)
    assert slave.count("300000003") == 1
    slave.host.run("systemctl stop kept")


def test_a_killed_supervisor_leaves_a_lost_job_and_nothing_running(slave: Slave) -> None:
    slave.execute(f"{sudo(slave)}sleep 300000004", id="lost-job", wait=False)
    time.sleep(0.5)
    slave.host.run("systemctl kill --kill-who=main --signal=KILL d8-job-lost-job.service")
    deadline = time.monotonic() + 15
    while slave.ask("GET", "/api/jobs/lost-job")["state"] == "running":
        assert time.monotonic() < deadline
    assert slave.ask("GET", "/api/jobs/lost-job")["state"] == "lost"
    time.sleep(1)
    assert slave.count("300000004") == 0


def test_a_job_goes_on_while_the_server_is_killed(slave: Slave) -> None:
    slave.execute("sleep 3; echo end", id="goes-on", wait=False)
    pid = slave.host.read_text(f"{home_of(slave.host)}/d8_slave/slave_server.pid").strip()
    slave.host.kill(int(pid))
    slave.host.run(f"sh {SCRIPT} --start", slave.host.user)
    assert slave.execute("sleep 3; echo end", id="goes-on")["stdout"] == "end\n"


def test_secrets_are_not_in_units_nor_in_argv(slave: Slave) -> None:
    slave.execute("cat >/dev/null; sleep 5", stdin="s3cret-stdin", env={"X": "s3cret-env"}, id="quiet", wait=False)
    time.sleep(0.3)
    shown = slave.host.run(
        "systemctl show d8-job-quiet.service; ps -eo args; journalctl --no-pager", check=False
    ).stdout
    assert "d8-job-quiet" in shown
    assert "s3cret" not in shown
    slave.ask("POST", "/api/jobs/quiet/cancel", {})


def test_another_user_can_read_nothing(slave: Slave) -> None:
    folder = f"{home_of(slave.host)}/d8_slave"
    for name in ("config.json", "server.key", "slave_server.log", "jobs"):
        assert slave.host.run(f"cat {folder}/{name} || ls {folder}/{name}", "mallory", check=False).returncode != 0


def test_on_a_full_disk_a_command_still_ends_with_its_result(bare_host: Host, tmp_path: Path) -> None:
    slave = install(bare_host, tmp_path)
    with bare_host.fill_disk("/home/pi", free_kib=400):
        document = slave.execute("head -c 50000000 /dev/zero; exit 5")
        assert (document["state"], document["exit_code"], document["truncated"]) == ("failed", 5, True)
        assert slave.ask("GET", "/api/health")["status"] == "ok"
        problem = slave.ask("PUT", "/api/files/large", "x" * 1000)
        assert problem["status"] in (422, 507)
    assert slave.execute("echo room again")["stdout"] == "room again\n"


def test_systemd_can_hand_over_the_socket(bare_host: Host, tmp_path: Path) -> None:
    slave = install(bare_host, tmp_path)
    bare_host.run("python3 ~/d8_slave/slave_server.py --stop", "pi")
    bare_host.run(
        "systemd-run --collect --unit=d8-test --socket-property=ListenStream=7600 --uid=pi "
        "python3 /home/pi/d8_slave/slave_server.py"
    )
    assert slave.execute("echo activated")["stdout"] == "activated\n"
    assert slave.ask("GET", "/api/health")["host"]["user"] == "pi"


def test_the_script_stops_where_an_agent_is_installed(bare_host: Host, tmp_path: Path) -> None:
    bare_host.push(b"[Socket]\nListenStream=7600\n", "/etc/systemd/system/d8-agent.socket")
    script = write_installer(make_installer(), tmp_path, NOW)
    bare_host.push(script, f"/home/pi/{SCRIPT}", owner="pi", mode=0o600)
    result = bare_host.run(f"sh {SCRIPT} --start", "pi", check=False)
    assert result.returncode == 1
    assert "D8 agent is installed" in result.stderr
    assert not bare_host.exists("/home/pi/d8_slave")
