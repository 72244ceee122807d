"""Ctrl+C while a slave is built, in a real terminal: a question, and the build waits for the answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.loopback_slave import LoopbackSlave, loopback_slave
from tests.terminal.terminal import Terminal

CTRL_C = "\x03"


@pytest.fixture
def slave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackSlave]:
    with loopback_slave(tmp_path, monkeypatch, holds_installing=True) as made:
        yield made


@pytest.fixture
def terminal(slave: LoopbackSlave) -> Iterator[Terminal]:
    """A build that is installing libraries."""
    words = ("build", slave.address, "--strategy", "venv")
    made = Terminal(*words, folder=slave.master.folder, D8_LANG="en", D8_BUILD_RETRY_DELAY="0", LANGUAGE="en")
    try:
        made.wait_for("Build 127.0.0.1")
        made.press("y\r")
        made.wait_for(lambda _terminal: "running" in states(slave), seconds=60)
        made.press(CTRL_C)
        made.wait_for("What shall become of the build?")
        yield made
    finally:
        made.close()


def states(slave: LoopbackSlave) -> list[str]:
    """Where the installations of libraries stand."""
    commands = [one for log in slave.logs()[-1:] for one in log["commands"]]
    return [one["state"] for one in commands if "uv pip install" in one["command"]]


def test_leaving_says_how_to_go_on_and_the_slave_works_on(slave: LoopbackSlave, terminal: Terminal) -> None:
    terminal.press("2")
    terminal.press("\r")
    assert terminal.wait_for_end(60) == 1
    assert f"python3 start_d8.py build {slave.address} --resume" in terminal.everything.replace("\n", "")
    assert (slave.logs()[-1]["status"], states(slave)) == ("detached", ["running"])


def test_cancelling_ends_the_command_on_the_slave(slave: LoopbackSlave, terminal: Terminal) -> None:
    terminal.press("3")
    terminal.press("\r")
    assert terminal.wait_for_end(60) == 1
    assert (slave.logs()[-1]["status"], states(slave)) == ("cancelled", ["cancelled"])


def test_a_second_ctrl_c_leaves_at_once(slave: LoopbackSlave, terminal: Terminal) -> None:
    terminal.press(CTRL_C)
    assert terminal.wait_for_end(60) == 1
    assert slave.logs()[-1]["status"] == "detached"


@pytest.mark.full
def test_going_on_builds_the_slave(slave: LoopbackSlave, terminal: Terminal) -> None:
    terminal.press("1")
    terminal.press("\r")
    slave.let_installing_go_on()
    assert terminal.wait_for_end(240) == 0
    assert slave.logs()[-1]["status"] == "success"


def test_a_slave_that_is_reached_by_bootstrap_asks_as_well(slave: LoopbackSlave) -> None:
    settings = {"D8_SLAVE_PORT": slave.address.rpartition(":")[2], "D8_STRATEGIES": "venv", "D8_LANG": "en"}
    terminal = Terminal("bootstrap", "127.0.0.1", folder=slave.master.folder, LANGUAGE="en", **settings)
    try:
        terminal.wait_for(lambda _terminal: "running" in states(slave), seconds=60)
        terminal.press(CTRL_C)
        terminal.wait_for("What shall become of the build?")
        terminal.press("3")
        terminal.press("\r")
        assert terminal.wait_for_end(60) == 1
    finally:
        terminal.close()
    assert (slave.logs()[-1]["status"], states(slave)) == ("cancelled", ["cancelled"])
