"""The main job on real hosts: an installer, `sh … --start`, a build, and a slave that answers. Nothing is faked."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.master import Master

LEFT_BY_A_BUILD = "/opt/d8-agent* /etc/d8-agent* /var/lib/d8-agent* /run/d8-agent* /etc/systemd/system/d8-* ~/d8_slave"


@pytest.fixture
def master(tmp_path, lab: Lab) -> Master:
    return Master(tmp_path, lab.master_address)


def wait_for_agent(master: Master, host: Host, commit: str, seconds: float = 60) -> None:
    """Wait until `status` finds the agent of that commit answering on the host."""
    deadline = time.monotonic() + seconds
    while True:
        [row] = [row for row in statuses(master) if row["address"] == host.address]
        if row["commit"] == commit and row["state"] in ("ok", "other_commit"):  # a checkout may move on meanwhile
            return
        assert time.monotonic() < deadline, row
        time.sleep(1)


def statuses(master: Master) -> list[dict]:
    return json.loads(master.run("status", "--json").stdout)["slaves"]


def assert_log_is_whole(master: Master, document: dict) -> None:
    """The log has the mission's form and nobody else can read it."""
    [log] = (master.data / "build_logs").glob(f"build_{document['slave_id']}_*.json")
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700
    assert {"slave_id", "slave_host", "status", "strategy", "commands", "error", "timestamp"} <= set(document)
    assert document["commands"]
    for entry in document["commands"]:
        assert {"command", "success", "stdout", "stderr", "exit_code", "timestamp"} <= set(entry)


def test_a_bare_debian_12_becomes_a_registered_slave_and_comes_back_after_a_reboot(master: Master, bare_host: Host):
    made = master.bring_bootstrap(bare_host)
    pinned = ("-k", "--pinnedpubkey", made["pin"])
    assert master.curl(bare_host, "/api/health", options=pinned)[1]["mode"] == "bootstrap"
    installer_token = master.token("installer")
    assert master.curl(bare_host, "/api/version", token=installer_token, options=pinned)[0] == 200

    document = master.build(bare_host)

    assert (document["status"], document["strategy"]) == ("success", "venv")
    assert_log_is_whole(master, document)
    token = master.token("agent")
    assert master.curl(bare_host, "/api/system")[0] == 401
    assert master.curl(bare_host, "/api/system", token=installer_token)[0] == 401  # the installer's secret is dead
    status, system = master.curl(bare_host, "/api/system", token=token)
    assert status == 200
    assert system["activation"] == {"scope": "system", "survives_reboot": True, "command": None}
    assert system["agent"]["user"] == "d8-agent"
    assert bare_host.run("ls ~/d8_slave/work ~/d8_slave/jobs | grep -v : || true", bare_host.user).stdout.strip() == ""
    bare_host.run("test ! -e ~/d8_slave/server.key && test ! -e ~/d8_slave/config.json", bare_host.user)

    bare_host.reboot()
    wait_for_agent(master, bare_host, document["master_commit"])

    again = master.build(bare_host)
    assert (again["status"], again["commands"]) == ("success", [])


def test_a_slave_of_an_older_commit_is_built_again_and_a_failed_rebuild_leaves_the_former_agent(
    master: Master, bare_host: Host
):
    moving = master.in_a_clone()
    moving.bring_bootstrap(bare_host)
    built = moving.build(bare_host)
    first = built["master_commit"]
    granted = moving.json("trust", built["slave_id"], "grant", "thief", "--scope", "execute")["token"]

    second = moving.commit()
    bare_host.run("mkdir -p /opt/d8-agent/releases && mount -t tmpfs -o size=64k none /opt/d8-agent/releases")
    failed = moving.build(bare_host, expect=1)
    assert failed["status"] == "failed" and failed["attempts"], failed
    bare_host.run("umount /opt/d8-agent/releases")
    wait_for_agent(moving, bare_host, first)
    assert moving.curl(bare_host, "/api/version", token=granted)[0] == 200

    again = moving.build(bare_host)
    assert (again["status"], again["master_commit"]) == ("success", second)
    assert moving.curl(bare_host, "/api/version", token=granted)[0] == 401, "a build ends what was granted before it"
    wait_for_agent(moving, bare_host, second)
    assert len(bare_host.run("ls /opt/d8-agent/releases").stdout.split()) == 2  # the new one, and one to go back to
    assert bare_host.run("ls -A /etc/d8-agent/bootstrap/jobs").stdout == ""  # a rebuild runs in the bootstrap's copy


def test_a_slave_whose_master_is_lost_is_emptied_by_the_script_and_built_by_another_master(
    master: Master, bare_host: Host
):
    master.bring_bootstrap(bare_host)
    master.build(bare_host)
    refused = bare_host.run("sh install_slave.sh --start", bare_host.user, check=False)
    assert refused.returncode == 1
    assert "sh install_slave.sh --uninstall" in refused.stderr

    said = bare_host.run("sh install_slave.sh --uninstall", bare_host.user, timeout_seconds=120).stdout
    assert "D8 agent of /opt/d8-agent removed" in said
    assert bare_host.run(f"ls -d {LEFT_BY_A_BUILD} 2>/dev/null || true", bare_host.user).stdout == ""
    assert bare_host.run("id d8-agent", check=False).returncode != 0
    assert bare_host.run("systemctl list-units --all --no-legend 'd8-*'").stdout == ""
    assert bare_host.run("sh install_slave.sh --uninstall", bare_host.user).returncode == 0

    another = Master(master.folder / "another", master.address)
    another.folder.mkdir()
    another.bring_bootstrap(bare_host)
    assert another.build(bare_host)["status"] == "success"


def test_a_host_reached_as_root_without_sudo(master: Master, root_host: Host):
    master.bring_bootstrap(root_host)
    document = master.build(root_host)
    assert document["status"] == "success"
    _, system = master.curl(root_host, "/api/system", token=master.token("agent"))
    assert (system["activation"]["scope"], system["agent"]["user"]) == ("system", "d8-agent")


@pytest.mark.full
def test_without_tls_a_slave_is_built_and_rebuilt(master: Master, bare_host: Host):
    plain = replace(master, extra={"D8_TLS": "off"}).in_a_clone()
    plain.bring_bootstrap(bare_host)
    document = plain.build(bare_host)
    assert document["status"] == "success"
    token = plain.token("agent")
    assert plain.curl(bare_host, "/api/version", token=plain.token("installer"), options=("--http1.1",))[0] == 401
    assert (
        plain.curl(bare_host, "/api/version", token=token, options=("--http1.1",))[1]["commit"]
        == (document["master_commit"])
    )
    commit = plain.commit()
    assert plain.build(bare_host)["master_commit"] == commit


def test_debian_13(master: Master, debian13_host: Host):
    master.bring_bootstrap(debian13_host)
    document = master.build(debian13_host)
    assert document["status"] == "success"
    wait_for_agent(master, debian13_host, document["master_commit"])


def test_without_sudo_it_runs_and_an_administrator_can_make_it_survive_a_reboot(master: Master, no_sudo_host: Host):
    master.bring_bootstrap(no_sudo_host)
    document = master.build(no_sudo_host)
    assert document["status"] == "success"
    _, system = master.curl(no_sudo_host, "/api/system", token=master.token("agent"))
    assert (system["activation"]["scope"], system["activation"]["survives_reboot"]) == ("nohup", False)
    command = system["activation"]["command"]
    assert any(command in notice["text"] for notice in document["notices"])

    no_sudo_host.run(command, timeout_seconds=300)  # what the administrator does, word by word
    no_sudo_host.reboot()
    wait_for_agent(master, no_sudo_host, document["master_commit"])


def test_a_master_killed_in_the_middle_leaves_a_slave_that_answers_and_can_be_built(master: Master, bare_host: Host):
    quick = Master(master.folder, master.address, {"D8_CONFIRM_TIMEOUT": "8", "D8_STABILISATION": "4"})
    quick.bring_bootstrap(bare_host)
    build = quick.start("build", bare_host.address, "--yes")
    assert build.stdout is not None
    for line in build.stdout:
        if "Handover" in line:
            break
    time.sleep(2)
    build.kill()
    build.communicate()

    deadline = time.monotonic() + 30
    while bare_host.run("curl -sk https://127.0.0.1:7600/api/health | grep -q bootstrap", check=False).returncode:
        assert time.monotonic() < deadline, "the bootstrap did not come back"
        time.sleep(0.5)
    assert quick.build(bare_host)["status"] == "success"
