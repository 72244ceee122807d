"""An update of a slave without systemd and root: real processes on loopback, the real commands, real signatures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from tests.support.handover import wait_until
from tests.support.loopback_slave import LoopbackSlave, loopback_slave
from tests.support.master import git
from tests.support.telegram import TelegramServer


@pytest.fixture
def slave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackSlave]:
    with loopback_slave(tmp_path, monkeypatch) as running:
        running.master.json("build", running.address, "--yes")
        yield running


def answering(slave: LoopbackSlave) -> str:
    """The commit of the slave's agent."""
    [one] = json.loads(slave.master.run("status", "--json").stdout)["slaves"]
    return str(one["commit"])


def test_a_slave_is_updated_and_rolled_back(slave: LoopbackSlave, httpserver: HTTPServer) -> None:
    telegram = TelegramServer(httpserver)
    bot = {"TELEGRAM_BOT_TOKEN": "7:token", "TELEGRAM_CHAT_ID": "42", "TELEGRAM_API_URL": telegram.url}
    slave.master = replace(slave.master, extra={**slave.master.extra, **bot})
    first = git("-C", str(slave.master.checkout), "rev-parse", "HEAD")
    assert slave.master.json("update", "--all", "--yes")["slaves"][0]["state"] == "already"
    second = slave.master.commit()
    assert answering(slave) == answering(slave) == first
    [told] = telegram.taken  # once, however often the fleet is asked
    assert first[:10] in told["text"] and "update --all" in told["text"]
    updated = slave.master.json("update", "--all", "--yes")
    assert [one["state"] for one in updated["slaves"]] == ["updated"], updated
    assert answering(slave) == second
    [request] = slave.master.json("requests")["requests"]
    assert (request["slave_id"], request["status"]) == ("fleet", "closed")
    assert slave.master.json("rollback", "127.0.0.1", "--yes")["commit"] == first
    assert answering(slave) == first
    assert len(telegram.taken) == 2  # that is another incident


def test_a_native_installation_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback_slave(tmp_path, monkeypatch) as slave:
        slave.master = replace(slave.master, extra={**slave.master.extra, "D8_STRATEGIES": "native"})
        slave.master.json("build", slave.address, "--yes")
        second = slave.master.commit()
        assert [one["state"] for one in slave.master.json("update", "--all", "--yes")["slaves"]] == ["updated"]
        assert answering(slave) == second
        [registered] = slave.master.json("slaves")["slaves"]
        assert (registered["strategy"], registered["commit"]) == ("native", second)


def test_a_release_that_does_not_start_changes_nothing(slave: LoopbackSlave) -> None:
    first = git("-C", str(slave.master.checkout), "rev-parse", "HEAD")
    settings = slave.master.checkout / "slave_agent" / "settings.py"
    settings.write_text(settings.read_text() + "\nraise SystemExit('no such thing')\n")
    git("-C", str(slave.master.checkout), "add", str(settings))
    slave.master.commit()
    [failed] = slave.master.json("update", "--all", "--yes", expect=1)["slaves"]
    assert failed["state"] == "failed" and "no such thing" in failed["hint"], failed
    assert wait_until(lambda: answering(slave) == first, 20)


def test_a_key_that_is_not_the_fleets_is_refused(slave: LoopbackSlave) -> None:
    first = git("-C", str(slave.master.checkout), "rev-parse", "HEAD")
    slave.master.commit()
    (slave.master.data / "pki" / "d8-releases.key").unlink()
    [failed] = slave.master.json("update", "--all", "--yes", expect=1)["slaves"]
    assert failed["state"] == "failed" and "not signed by this slave's fleet" in failed["error"], failed
    assert answering(slave) == first
