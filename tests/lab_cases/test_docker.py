"""The strategy docker on real hosts: same handover, same API, the host's own units and processes seen from inside."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.interrupted import is_running, kill_when, newest_log, start_until
from tests.support.master import PROJECT, Master

BASE_IMAGE = "d8-lab-base:1"
INSIDE = "docker exec d8-agent"


@pytest.fixture
def master(tmp_path, lab: Lab) -> Master:
    return Master(tmp_path, lab.master_address, {"D8_STRATEGIES": "docker,venv", "D8_DOCKER_BASE_IMAGE": BASE_IMAGE})


@pytest.fixture
def host(lab: Lab, docker_host: Host) -> Host:
    """A host that has the base image: no registry can be asked here, so it is made of the lab's own Debian."""
    docker_host.run("until docker info >/dev/null 2>&1; do sleep 0.5; done", timeout_seconds=60)
    with subprocess.Popen(["tar", "-C", str(lab.base_tree()), "-c", "."], stdout=subprocess.PIPE) as tar:
        docker_host.run(["docker", "import", "-", BASE_IMAGE], input=tar.stdout, timeout_seconds=180)
    return docker_host


def wait_for_health(host: Host, seconds: float = 60) -> None:
    """Wait until Docker itself calls the agent's container healthy."""
    asked = "docker inspect --format '{{.State.Health.Status}}' d8-agent"
    deadline = time.monotonic() + seconds
    while (state := host.run(asked, check=False).stdout.strip()) != "healthy":
        assert time.monotonic() < deadline, state + host.run("docker inspect d8-agent", check=False).stdout
        time.sleep(1)


def test_the_agent_in_a_container_sees_its_host_and_survives_a_reboot(master: Master, host: Host):
    master.bring_bootstrap(host)

    document = master.build(host)

    assert (document["status"], document["strategy"]) == ("success", "docker"), json.dumps(document, indent=1)
    token = master.token("agent")
    status, system = master.curl(host, "/api/system", token=token)
    assert status == 200
    assert system["activation"] == {"scope": "system", "survives_reboot": True, "command": None}
    assert (system["agent"]["user"], system["machine_id"]) == ("d8-agent", host.machine_id)
    assert system["hostname"] == host.run("hostname").stdout.strip()
    assert host.address in system["addresses"]
    assert master.curl(host, "/api/system")[0] == 401
    wait_for_health(host)
    assert_it_sees_the_host_and_no_more(host)

    host.reboot()
    wait_for_health(host, 90)
    assert master.curl(host, "/api/system", token=token)[0] == 200

    assert master.build(host)["commands"] == []  # it is up to date


def assert_it_sees_the_host_and_no_more(host: Host) -> None:
    """Units, journal and processes of the host; neither root nor capabilities nor a file that can be written."""
    asked = f"{INSIDE} systemctl show --property=ActiveState,MainPID systemd-journald.service"
    shown = dict(line.split("=") for line in host.run(asked).stdout.splitlines())
    journald = host.run("systemctl show --property=MainPID --value systemd-journald").stdout.strip()
    assert shown == {"ActiveState": "active", "MainPID": journald}
    read_name = f"{INSIDE} cat /proc/{journald}/comm"
    assert host.run(read_name).stdout.strip() == "systemd-journal"
    host.run("logger d8-lab-canary")
    host.run(f"{INSIDE} journalctl -n 200 --no-pager | grep -q d8-lab-canary")
    state = host.run(f"{INSIDE} cat /proc/self/status").stdout
    values = dict(line.split(":\t", 1) for line in state.splitlines() if ":\t" in line)
    assert values["CapEff"] == "0000000000000000"
    assert values["NoNewPrivs"] == "1"
    assert values["Uid"].split()[0] == host.run("id -u d8-agent").stdout.strip() != "0"
    assert host.run(f"{INSIDE} sh -c 'echo x > /opt/d8/x'", check=False).returncode != 0
    assert host.run(f"{INSIDE} test -e /var/run/docker.sock", check=False).returncode != 0


def test_a_killed_agent_or_keeper_or_docker_comes_back_and_uninstall_leaves_docker_as_it_was(
    master: Master, host: Host
):
    before = host.run("docker image ls --quiet --no-trunc").stdout
    master.bring_bootstrap(host)
    assert master.build(host)["strategy"] == "docker"
    gaps = {}
    for what, command in (
        ("agent", "kill -9 $(docker inspect --format '{{.State.Pid}}' d8-agent)"),
        ("keeper", "kill -9 $(systemctl show --property=MainPID --value d8-agent)"),
        ("docker", "systemctl restart docker"),
    ):
        refused = watched_port(host, command)
        gaps[what] = refused
        wait_for_health(host)
    assert gaps == {"agent": 0, "keeper": 0, "docker": 0}  # systemd holds the port: calls wait, none is refused

    host.run("/usr/bin/python3 -I /opt/d8-agent/control/d8-activate uninstall --wait", timeout_seconds=120)
    assert host.run("docker ps --all --quiet").stdout == ""
    assert host.run("docker image ls --quiet --no-trunc").stdout == before
    assert not host.exists("/opt/d8-agent")


def watched_port(host: Host, command: str) -> int:
    """Run the command and return how many of the calls during 8 seconds around it were refused."""
    call = "curl -sk -o /dev/null --max-time 30 https://127.0.0.1:7600/api/health; [ $? != 7 ] || n=$((n+1))"
    script = f"n=0; end=$(( $(date +%s) + 8 )); while [ $(date +%s) -lt $end ]; do {call}; sleep 0.05; done; echo $n"
    found: list[str] = []
    watching = threading.Thread(target=lambda: found.append(host.run(script, timeout_seconds=90).stdout))
    watching.start()
    time.sleep(1)
    host.run(command, timeout_seconds=60)
    watching.join()
    return int(found[0])


@pytest.mark.full
def test_docker_is_installed_from_nothing_and_its_base_image_pulled(tmp_path, lab: Lab, docker_host: Host):
    docker_host.run("apt-get purge -q -y --autoremove docker.io docker-compose containerd runc", timeout_seconds=120)
    assert not docker_host.exists("/usr/bin/docker") and not docker_host.exists("/usr/bin/docker-compose")
    serve_base_image(lab, docker_host)
    image = {"D8_DOCKER_BASE_IMAGE": "127.0.0.1:5000/base:1"}
    never = Master(tmp_path, lab.master_address, {"D8_STRATEGIES": "docker", "D8_DOCKER_INSTALL": "never", **image})
    never.bring_bootstrap(docker_host)
    refused = never.build(docker_host, expect=1)
    assert "may not be installed" in refused["skipped"][0]["reason"]

    master = Master(tmp_path, lab.master_address, {"D8_STRATEGIES": "docker,venv", **image})
    document = master.build(docker_host)

    assert (document["status"], document["strategy"]) == ("success", "docker"), json.dumps(document, indent=1)
    assert any("its members are root" in notice["text"] for notice in document["notices"])
    assert docker_host.run("getent group docker | cut -d: -f4").stdout.strip() == ""  # nobody was made root
    wait_for_health(docker_host)
    docker_host.reboot()
    wait_for_health(docker_host, 90)


def serve_base_image(lab: Lab, host: Host) -> None:
    """Run a registry with the base image on the host's loopback, which Docker trusts without TLS."""
    with subprocess.Popen(["tar", "-C", str(lab.base_tree()), "-c", "."], stdout=subprocess.PIPE) as tar:
        command = "mkdir -p /srv/registry && gzip -1 > /srv/registry/layer.tar.gz"
        host.run(command, input=tar.stdout, timeout_seconds=180)
    host.push(PROJECT / "tests/support/image_registry.py", "/srv/registry/image_registry.py")
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[host.run("uname -m").stdout.strip()]
    serve = f"/usr/bin/python3 /srv/registry/image_registry.py 5000 /srv/registry {architecture}"
    host.run(f"systemd-run --unit=registry {serve}")
    host.run("until curl -sf http://127.0.0.1:5000/v2/; do sleep 0.5; done", timeout_seconds=60)


def test_without_docker_and_without_the_registry_nothing_is_installed(tmp_path, lab: Lab, bare_host: Host):
    extra = {"D8_STRATEGIES": "docker,venv", "D8_DOCKER_BASE_IMAGE": "127.0.0.1:5000/base:1"}
    master = Master(tmp_path, lab.master_address, extra)
    master.bring_bootstrap(bare_host)

    document = master.build(bare_host)

    assert (document["status"], document["strategy"]) == ("success", "venv")
    [docker, venv] = document["attempts"]  # one attempt: repeating would not mend it
    assert (docker["strategy"], docker["success"], venv["success"]) == ("docker", False, True)
    assert "does not reach 127.0.0.1" in docker["error"]
    assert not bare_host.exists("/usr/bin/docker")


def test_a_dead_docker_falls_back_to_venv_with_the_reason(master: Master, host: Host):
    host.run("systemctl mask --now docker.socket docker.service")
    master.bring_bootstrap(host)

    document = master.build(host)

    assert (document["status"], document["strategy"]) == ("success", "venv")
    [skipped] = document["skipped"]
    assert skipped["strategy"] == "docker"
    assert "daemon does not answer" in skipped["reason"] and "systemctl restart docker" in skipped["reason"]


def traces_of_builds(host: Host) -> str:
    """Containers and images but the base image, and what an installation would leave."""
    images = f"docker image ls --all --format '{{{{.Repository}}}}:{{{{.Tag}}}}' | grep -vx {BASE_IMAGE}"
    folders = "ls -d /opt/d8-agent* /etc/d8-agent* /etc/systemd/system/d8-*"
    return host.run(
        f"docker ps --all --quiet; {images}; {folders} 2>/dev/null; ls -A ~pi/d8_slave/work", check=False
    ).stdout


def test_a_cancelled_or_killed_build_of_the_image_and_the_death_of_docker(master: Master, host: Host):
    master = master.in_a_clone()
    master.bring_bootstrap(host)
    build = start_until(master, host, is_running("docker build"), "--yes")
    build.send_signal(signal.SIGINT)
    build.communicate(timeout=150)
    assert (build.returncode, newest_log(master)["status"]) == (1, "cancelled")
    assert traces_of_builds(host) == ""

    left = kill_when(master, host, is_running("docker build"), "--yes")
    [interrupted] = [one for one in left["commands"] if one["state"] == "running"]
    document = master.json("build", host.address, "--yes", "--resume")
    assert (document["status"], document["strategy"]) == ("success", "docker")
    [same] = [one for one in document["commands"] if one["command"] == interrupted["command"]]
    assert (same["job_id"], same["state"]) == (interrupted["job_id"], "succeeded")  # made once, not again
    wait_for_health(host)

    host.run("systemctl mask --now docker.socket docker.service", timeout_seconds=60)
    began = time.monotonic()
    while host.run(
        "curl -sk --max-time 5 https://127.0.0.1:7600/api/health | grep -q bootstrap", check=False
    ).returncode:
        assert time.monotonic() - began < 60, host.run("journalctl -u d8-agent -n 60 --no-pager").stdout
        time.sleep(1)
    host.run("systemctl unmask docker.socket docker.service && systemctl start docker", timeout_seconds=60)
    wait_for_health(host)  # by itself, at once: the starts that failed are forgotten
    assert master.curl(host, "/api/system", token=master.token("agent"))[0] == 200
    commit = master.commit()
    again = master.build(host)
    assert (again["status"], again["strategy"], again["master_commit"]) == ("success", "docker", commit)


@pytest.mark.full
def test_the_strategy_changes_both_ways_and_each_former_release_comes_back(master: Master, host: Host):
    master = master.in_a_clone()
    master.bring_bootstrap(host)
    first = master.build(host)
    assert first["strategy"] == "docker"

    same = master.json("build", host.address, "--yes", "--strategy", "venv")
    assert (same["strategy"], same["master_commit"]) == ("venv", first["master_commit"])
    assert any("it is built again" in notice["text"] for notice in same["notices"])
    assert traces_of_images(host) == ""  # the release of this commit needs no image any more
    assert master.json("build", host.address, "--yes", "--strategy", "venv")["commands"] == []

    master.commit()
    second = master.build(host)
    assert second["strategy"] == "docker"
    assert rolled_back(master, host) == first["master_commit"]  # from a container to a venv
    assert host.run("docker ps --quiet").stdout == ""

    assert master.build(host)["strategy"] == "docker"
    master.commit()
    assert master.json("build", host.address, "--yes", "--strategy", "venv")["strategy"] == "venv"
    assert rolled_back(master, host) == second["master_commit"]  # and from a venv to a container
    wait_for_health(host)


def traces_of_images(host: Host) -> str:
    """The images of agents."""
    return host.run("docker image ls --quiet localhost/d8-agent").stdout


def rolled_back(master: Master, host: Host) -> str:
    """Let the agent that was confirmed before run again; return the commit that answers then."""
    said = host.run("/usr/bin/python3 -I /opt/d8-agent/control/d8-activate rollback --wait", timeout_seconds=120).stdout
    assert json.loads(said)["mode"] == "agent", said
    return str(master.curl(host, "/api/system", token=master.token("agent"))[1]["agent"]["commit"])
