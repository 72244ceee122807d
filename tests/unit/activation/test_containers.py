"""The container's keeper with real sockets: systemd's port reaches the agent, the agent's words reach systemd."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest

from slave_agent.activation import containers
from slave_agent.activation.commands import Commands
from slave_agent.activation.container_keeper import Inherited, container_of, hand_out, inherited, serve
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.layout import layout_for
from slave_agent.activation.states import Runtime, Scope
from slave_agent.activation.units import render_agent_unit, render_staging_unit
from slave_agent.systemd_link import SystemdLink


def test_the_port_that_systemd_holds_reaches_the_agent_in_its_container(tmp_path: Path) -> None:
    address = str(tmp_path / "listen.sock")
    with socket.create_server(("127.0.0.1", 0)) as port, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        handing = threading.Thread(target=hand_out, args=(listening, [port.fileno()]))
        handing.start()
        [received] = SystemdLink(keeper_socket=address).sockets()
        handing.join()
        with received, socket.create_connection(port.getsockname()) as caller:
            accepted, _ = received.accept()
            with accepted:
                assert accepted.getpeername() == caller.getsockname()  # the caller's own address, not a proxy's


def test_an_agent_on_trial_gets_no_port(tmp_path: Path) -> None:
    address = str(tmp_path / "listen.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        handing = threading.Thread(target=hand_out, args=(listening, []))
        handing.start()
        assert SystemdLink(keeper_socket=address).sockets() == []
        handing.join()


def test_only_words_that_are_the_agents_to_say_reach_systemd(tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified,
        socket.socket(socket.AF_UNIX) as listening,
    ):
        systemd.bind(str(tmp_path / "systemd"))
        notified.bind(str(tmp_path / "notify"))
        listening.bind(str(tmp_path / "listen"))
        listening.listen()
        SystemdLink(notify_address=str(tmp_path / "notify")).notify("READY=1\nMAINPID=1\nFDSTORE=1")
        client = Commands().attach(["/bin/sh", "-c", "sleep 0.3; exit 3"])
        assert serve(Inherited((), str(tmp_path / "systemd"), ""), listening, notified, client) == 3
        assert systemd.recv(100) == b"READY=1"


def test_what_systemd_gave_is_taken_out_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LISTEN_PID": "1", "LISTEN_FDS": "1", "NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "7"}.items():
        monkeypatch.setenv(name, value)
    assert inherited(os.getpid()) == Inherited((), "/n", "7")  # the sockets are another process's
    assert not {"LISTEN_PID", "LISTEN_FDS", "NOTIFY_SOCKET", "WATCHDOG_USEC"} & set(os.environ)


def test_the_trial_is_a_container_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "image").write_text("localhost/d8-agent:abc\n")
    agent = container_of(tmp_path, None, "/run/d8-agent")
    trial = container_of(tmp_path, "127.0.0.1:4000", "/run/d8-agent-staging")
    assert (agent.name, agent.image) == ("d8-agent", "localhost/d8-agent:abc")
    assert trial.name == "d8-agent-staging"
    assert trial.arguments == ("--settings", f"{tmp_path}/agent.json", "--listen", "127.0.0.1:4000")
    with pytest.raises(ActivationError, match="systemd"):
        container_of(tmp_path, None, None)


def test_only_journals_that_are_there_are_mounted() -> None:
    document = json.loads(containers.journals_document(["/run/log/journal:/run/log/journal:ro"]))
    assert document == {"services": {"agent": {"volumes": ["/run/log/journal:/run/log/journal:ro"]}}}
    assert json.loads(containers.journals_document([]))["services"]["agent"]["volumes"] == []


def test_the_units_of_a_container_are_its_keepers() -> None:
    layout = layout_for(Scope.SYSTEM, Path("/x"), Path("/x"), 0, python="/usr/bin/python3")
    agent = render_agent_unit(layout, Runtime.DOCKER).splitlines()
    trial = render_staging_unit(layout, layout.release("c" * 40), 4000, Runtime.DOCKER).splitlines()
    assert "WantedBy=multi-user.target docker.service" in agent  # back as soon as Docker is
    assert "ExecStopPost=-docker rm --force d8-agent" in agent
    assert "ExecStopPost=-docker rm --force d8-agent-staging" in trial
    assert not [line for line in agent + trial if line.startswith("User=")]
    shared = [line for line in render_agent_unit(layout, Runtime.NATIVE).splitlines() if line.startswith("ExecStart=")]
    assert shared == [line for line in agent if line.startswith("ExecStart=")]
