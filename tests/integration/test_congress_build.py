"""A build whose strategies all fail, for real: a started bootstrap, the real command, and a server for Telegram."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from tests.support.loopback_slave import LoopbackSlave, loopback_slave
from tests.support.master import Master
from tests.support.telegram import TelegramServer, too_many

TOKEN = "123456789:AA/b c%?#é\"'$(x)&ñ"
CHAT = "-100200300"


@pytest.fixture
def telegram(httpserver: HTTPServer) -> TelegramServer:
    return TelegramServer(httpserver)


@pytest.fixture
def slave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackSlave]:
    """A slave whose `tar` finds the disk full, which no strategy gets past."""
    with loopback_slave(tmp_path, monkeypatch) as started:
        tar = fake_tar(started)
        tar.write_text("#!/bin/sh\necho 'tar: slave_agent: Cannot write: No space left on device' >&2\nexit 2\n")
        tar.chmod(0o755)
        yield started


def fake_tar(slave: LoopbackSlave) -> Path:
    """What the slave finds before its own `tar`."""
    return slave.home.parent / "programs" / "tar"


def master_of(slave: LoopbackSlave, telegram_url: str, language: str = "es", **extra: str) -> Master:
    """The slave's master, with Telegram set up."""
    own = {
        "D8_LANG": language,
        "D8_BUILD_ATTEMPTS": "2",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_ID": CHAT,
        "TELEGRAM_API_URL": telegram_url,
    }
    return replace(slave.master, extra={**slave.master.extra, **own, **extra})


def build(master: Master, slave: LoopbackSlave) -> dict:
    document = master.json("build", slave.address, "--yes", expect=1)
    assert document["status"] == "failed"
    return document


def requests_of(master: Master) -> list[dict]:
    return master.json("requests")["requests"]


def assert_token_is_nowhere(*folders: Path) -> None:
    """Neither the token nor its URL form in any file below the folders, the database included."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert b"123456789:AA" not in content, path


def test_all_strategies_failing_stores_a_request_and_tells_a_person(
    slave: LoopbackSlave, telegram: TelegramServer
) -> None:
    master = master_of(slave, telegram.url)

    document = build(master, slave)

    slave_id = f"slave-127-0-0-1-{slave.server.port}"
    assert document["attempts"] and not any(entry["success"] for entry in document["attempts"])
    assert all("No space left on device" in entry["error"] for entry in document["attempts"])
    assert document["diagnosis"]["doc"] == "docs/troubleshooting.md#disk-full"
    assert document["request"] == {"id": 1, "status": "sent"}

    [request] = requests_of(master)
    assert request["title"] == f"Fallo en instalación de slave: {slave_id}"
    assert (request["priority"], request["category"], request["status"]) == ("high", "infrastructure", "sent")
    [log] = (master.data / "build_logs").glob("build_*.json")
    assert request["log_file"] == str(log)

    [message] = telegram.taken
    assert message["chat_id"] == CHAT and "parse_mode" not in message
    lines = message["text"].splitlines()
    assert lines[0] == "🚨 INFRAESTRUCTURA: Fallo instalación slave"
    assert f"Slave: {slave_id}" in lines and "IP: 127.0.0.1" in lines and f"Log: {log}" in lines
    [failed] = [line for line in lines if line.startswith("Estrategias fallidas: ")]
    assert "VEnv" in failed
    assert "No space left on device" in message["text"] and "Causa probable: el disco del slave está lleno" in lines
    assert lines[-2:] == [
        "El Congreso no intentó ningún remedio por sí mismo.",
        "Requiere intervención manual. Solicitud 1.",
    ]
    assert telegram.paths == [f"/bot{TOKEN}/sendMessage"]


def test_the_same_failure_again_updates_the_request_and_floods_nobody(
    slave: LoopbackSlave, telegram: TelegramServer
) -> None:
    master = master_of(slave, telegram.url)
    build(master, slave)
    shown = master.run("build", slave.address, "--yes").stdout

    [request] = requests_of(master)
    assert (request["failures"], request["status"]) == (2, "sent")
    assert "Solicitud 1 actualizada: fallo 2 de este slave." in shown
    assert "Causa probable" in shown and "docs/troubleshooting.md#disk-full" in shown
    assert len(telegram.taken) == 1


def test_telegram_down_keeps_the_request_which_the_next_command_sends(
    slave: LoopbackSlave, telegram: TelegramServer
) -> None:
    down = master_of(slave, "http://127.0.0.1:9")
    document = build(down, slave)
    assert document["request"]["status"] == "pending"
    assert "Connection refused" in requests_of(down)[0]["reason"]

    up = master_of(slave, telegram.url)
    failed = down.run("requests", "--send", "--json")
    assert failed.returncode == 1 and requests_of(up)[0]["status"] == "pending"
    assert telegram.taken == []  # its time has not come yet

    with sqlite3.connect(up.data / "d8.db") as database:
        database.execute("update requests set next_try = '2020-01-01 00:00:00.000000'")
    up.json("slaves")  # any command
    assert [request["status"] for request in requests_of(up)] == ["sent"]
    assert len(telegram.taken) == 1 and "Slave: slave-127-0-0-1" in telegram.taken[0]["text"]
    assert_token_is_nowhere(down.data)


def test_a_master_without_telegram_says_so_and_send_works_once_it_is_set_up(
    slave: LoopbackSlave, telegram: TelegramServer
) -> None:
    without = master_of(slave, telegram.url, "en", TELEGRAM_BOT_TOKEN="")
    document = build(without, slave)
    assert document["request"] == {"id": 1, "status": "pending"}
    assert requests_of(without)[0]["reason"] == "TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID are not set"

    ready = master_of(slave, telegram.url, "en")
    sent = ready.json("requests", "--send")["requests"]
    assert [request["status"] for request in sent] == ["sent"]
    assert telegram.taken[0]["text"].startswith("🚨 INFRASTRUCTURE: slave installation failed")
    assert ready.json("requests", "--send")["requests"] == [] and len(telegram.taken) == 1


def test_the_token_is_in_no_output_no_log_and_not_in_the_database(
    slave: LoopbackSlave, telegram: TelegramServer
) -> None:
    telegram.answers += [(401, {"ok": False, "error_code": 401, "description": f"no bot has the token {TOKEN}"})]
    telegram.answers += [too_many(2), (200, "not json"), (500, {"ok": False, "description": TOKEN})]
    master = master_of(slave, telegram.url)
    printed = master.run("build", slave.address, "--yes")
    outputs = [printed.stdout, printed.stderr]
    for _ in range(3):
        done = master.run("requests", "--send")
        outputs += [done.stdout, done.stderr]
    unreachable = master_of(slave, "http://127.0.0.1:9")
    for words in (["requests", "--send"], ["requests", "1"], ["requests", "1", "--json"]):
        done = unreachable.run(*words)
        outputs += [done.stdout, done.stderr]
    assert "no conoce el bot" in outputs[0]
    assert not any("123456789:AA" in output for output in outputs)
    assert_token_is_nowhere(master.data, slave.server.folder)


def test_a_build_that_works_settles_the_request(slave: LoopbackSlave, telegram: TelegramServer) -> None:
    master = master_of(slave, telegram.url)
    build(master, slave)
    fake_tar(slave).unlink()

    done = master.json("build", slave.address, "--yes")

    assert (done["status"], done["diagnosis"], done["request"]) == ("success", None, None)
    [request] = requests_of(master)
    assert (request["status"], request["closed_by"]) == ("closed", "build")
    assert len(telegram.taken) == 1


def test_what_the_operator_can_mend_at_once_calls_nobody(slave: LoopbackSlave, telegram: TelegramServer) -> None:
    master = master_of(slave, telegram.url)
    with sqlite3.connect(master.data / "d8.db") as database:
        database.execute("update credentials set token = 'another-token'")
    refused = master.json("build", slave.address, "--yes", expect=4)
    with sqlite3.connect(master.data / "d8.db") as database:
        database.execute("delete from credentials")
    unknown = master.json("build", slave.address, "--yes", expect=4)
    slave.server.kill()
    off = master.json("build", slave.address, "--yes", expect=3)

    anchors = [document["diagnosis"]["doc"].rpartition("#")[2] for document in (refused, unknown, off)]
    assert anchors == ["authentication-failed", "certificate-unknown", "connection-refused"]
    assert requests_of(master) == [] and telegram.messages == []
