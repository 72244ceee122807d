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


def test_all_strategies_fail_on_a_full_disk_and_a_person_is_told(
    master: Master, bare_host: Host, httpserver: HTTPServer
) -> None:
    telegram = TelegramServer(httpserver)
    telling = {
        "TELEGRAM_BOT_TOKEN": "123456:token",
        "TELEGRAM_CHAT_ID": "42",
        "TELEGRAM_API_URL": telegram.url,
        "D8_LANG": "es",
        "D8_BUILD_RETRY_DELAY": "0",
        "D8_DOCKER_INSTALL": "never",  # installing it takes minutes, and is tested elsewhere
    }
    master = replace(master, extra={**master.extra, **telling})
    master.bring_bootstrap(bare_host)
    bare_host.run("mkdir -p /opt/d8-agent")
    with bare_host.fill_disk("/opt/d8-agent"):
        document = master.build(bare_host, expect=1)

    assert document["status"] == "failed", document["error"]
    told = {entry["strategy"] for entry in document["attempts"]} | {entry["strategy"] for entry in document["skipped"]}
    assert "venv" in told, document["error"]
    assert all(f"{strategy}: " in document["error"] for strategy in told)
    assert all(entry["error"] for entry in document["attempts"]) and document["diagnosis"]["doc"].endswith("#disk-full")
    [request] = master.json("requests")["requests"]
    assert request["title"] == f"Fallo en instalación de slave: {document['slave_id']}"
    assert (request["status"], request["priority"]) == ("sent", "high")
    [message] = telegram.taken
    assert message["text"].startswith(f"🚨 INFRAESTRUCTURA: Fallo instalación slave\n\nSlave: {document['slave_id']}\n")
    assert f"IP: {bare_host.address}\n" in message["text"] and request["log_file"] in message["text"].replace(
        "~", str(master.folder.home())
    )

    assert master.build(bare_host)["status"] == "success"
    assert master.json("requests")["requests"][0]["status"] == "closed"
