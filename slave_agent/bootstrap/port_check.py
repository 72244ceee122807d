"""Whether the port is ours to take: free, held by this folder's own server, by a D8 agent, or by somebody else."""

from __future__ import annotations

import json
import socket
import ssl
from enum import IntEnum
from typing import Any, Mapping

from slave_agent.bootstrap.configuration import Configuration
from slave_agent.bootstrap.pid_file import running_pid
from slave_agent.bootstrap.port_owner import describe_owner, find_port_owner, stop_command
from slave_agent.bootstrap.texts import say

ASK_SECONDS = 5.0
HEALTH_REQUEST = b"GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class PortState(IntEnum):
    """Who holds the port (OTHER: a bootstrap of another folder); the install script reads the numbers as exit codes."""

    FREE = 0
    TAKEN = 1
    OURS = 10
    AGENT = 11
    OTHER = 12


def ask_health(configuration: Configuration) -> Mapping[str, Any]:
    """Return what the server on our port answers to GET /api/health; {} where that is not D8. Sends no token."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(configuration.bind, configuration.bind)
    return _ask(host, configuration.port, configuration.tls) or _ask(host, configuration.port, not configuration.tls)


def _ask(host: str, port: int, use_tls: bool) -> Mapping[str, Any]:
    try:
        with socket.create_connection((host, port), ASK_SECONDS) as channel:
            return _health_over(_without_checking(channel) if use_tls else channel)
    except (OSError, ValueError):
        return {}


def _without_checking(channel: socket.socket) -> ssl.SSLSocket:
    """Speak TLS to whoever is there: only the open answer is asked for, and nothing secret is said."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(channel)


def _health_over(channel: socket.socket) -> Mapping[str, Any]:
    with channel:
        channel.sendall(HEALTH_REQUEST)
        answer = b""
        while data := channel.recv(65536):
            answer += data
    document = json.loads(answer.partition(b"\r\n\r\n")[2])
    return document if isinstance(document, dict) else {}


def check_port(configuration: Configuration) -> tuple[PortState, str]:
    """Return who holds the configured port, and what to tell the operator about it."""
    language, port = configuration.language, configuration.port
    own = running_pid(configuration.pid_file)
    owner = find_port_owner(port)
    if owner is None:
        return PortState.FREE, say(language, "port_free", port=port)
    if own is not None and owner.pid in (own, None):
        return PortState.OURS, say(language, "port_ours", port=port, pid=own)
    mode = ask_health(configuration).get("mode")
    if mode == "agent":
        return PortState.AGENT, say(language, "port_agent", port=port)
    message = say(language, "taken", port=port, owner=describe_owner(owner, port, language))
    state = PortState.OTHER if mode == "bootstrap" else PortState.TAKEN
    return state, message + "\n" + say(language, "taken_hint", command=stop_command(owner, port))
