"""A host on which no strategy works: the build fails with its reasons, and a person hears of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pytest_httpserver import HTTPServer

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.master import Master
from tests.support.telegram import TelegramServer


@pytest.fixture
def master(tmp_path, lab: Lab) -> Master:
    return Master(tmp_path, lab.master_address).in_a_clone()


def test_all_three_strategies_fail_each_for_its_reason_and_a_person_is_told(
    master: Master, docker_host: Host, httpserver: HTTPServer
) -> None:
    telegram = TelegramServer(httpserver)
    telling = {
        "TELEGRAM_BOT_TOKEN": "123456:token",
        "TELEGRAM_CHAT_ID": "42",
        "TELEGRAM_API_URL": telegram.url,
        "D8_LANG": "es",
        "D8_STRATEGIES": "docker,venv,native",
        "D8_DOCKER_BASE_IMAGE": "127.0.0.1:5000/none:1",  # nobody listens there
        "D8_BUILD_ATTEMPTS": "2",
        "D8_BUILD_RETRY_DELAY": "0",
    }
    master = replace(master, extra={**master.extra, **telling})
    master.bring_bootstrap(docker_host)
    docker_host.run("until docker info >/dev/null 2>&1; do sleep 0.5; done", timeout_seconds=60)
    docker_host.run("mv /usr/lib/python3.11/asyncio /root/")  # a Python that no agent can run in

    document = master.build(docker_host, expect=1)

    assert document["status"] == "failed", document["error"]
    attempts = [(entry["strategy"], entry["number"]) for entry in document["attempts"]]
    repeated = [("docker", 1), ("docker", 2), ("venv", 1), ("native", 1)]  # nobody mends a Python by trying it again
    assert attempts == repeated, document
    for entry in document["attempts"]:
        reason = "127.0.0.1:5000" if entry["strategy"] == "docker" else "asyncio"
        assert reason in entry["error"] and entry["hint"], entry
        assert f"{entry['strategy']}: {entry['error']}" in document["error"]
    assert docker_host.run("ls -d /opt/d8-agent* /etc/d8-agent* 2>/dev/null", check=False).stdout == ""
    assert docker_host.run("docker ps --all --quiet; docker image ls --quiet").stdout == ""

    [request] = master.json("requests")["requests"]
    assert request["title"] == f"Fallo en instalación de slave: {document['slave_id']}"
    assert (request["status"], request["priority"]) == ("sent", "high")
    [message] = telegram.taken
    assert message["text"].startswith(f"🚨 INFRAESTRUCTURA: Fallo instalación slave\n\nSlave: {document['slave_id']}\n")
    assert f"IP: {docker_host.address}\n" in message["text"] and request["log_file"] in message["text"].replace(
        "~", str(master.folder.home())
    )
    assert "Estrategias fallidas: Docker, VEnv, Nativo" in message["text"]

    docker_host.run("mv /root/asyncio /usr/lib/python3.11/")
    built = master.build(docker_host)
    assert (built["status"], built["strategy"]) == ("success", "venv")
    assert master.json("requests")["requests"][0]["status"] == "closed"
