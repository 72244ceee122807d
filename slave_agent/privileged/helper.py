"""One request of the root helper: who asks, what is asked, the verb, the answer. What verbs there are is verbs.py's."""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from collections.abc import Mapping
from typing import Any

from slave_agent.activation.agent_user import find_agent_user
from slave_agent.privileged.answers import answer_of
from slave_agent.privileged.requests import LONGEST_REQUEST_BYTES, Refused, Verb, parse_request

READ_DEADLINE_SECONDS = 5.0
WRITE_DEADLINE_SECONDS = 10.0
PEER = struct.Struct("3i")


def main() -> int:
    """Serve the connection that systemd passed as standard input. Returns 0 when an answer was given."""
    connection = socket.socket(fileno=os.dup(0))
    peer = peer_user(connection)
    try:
        check_peer(peer)
        line = read_request(connection)
        answer = answer_to(line, _verbs())
    except Refused as refusal:
        print(f"d8-helper: user {peer}: {refusal}", file=sys.stderr)
        answer = {"ok": False, "kind": "refused", "error": str(refusal), "hint": refusal.hint}
    connection.settimeout(WRITE_DEADLINE_SECONDS)
    try:
        connection.sendall(json.dumps(answer).encode() + b"\n")
    except OSError as problem:
        print(f"d8-helper: user {peer} did not take the answer: {problem}", file=sys.stderr)
        return 1
    return 0


def _verbs() -> Mapping[str, Verb]:
    """Imported only for those who may ask."""
    from slave_agent.privileged.verbs import VERBS

    return VERBS


def peer_user(connection: socket.socket) -> int:
    """The user id of whoever connected, as the kernel knows it."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
    return int(PEER.unpack(credentials)[1])


def check_peer(user_id: int) -> None:
    """Raises Refused for everybody but root and the agent's user."""
    agent = find_agent_user()
    if user_id != 0 and (agent is None or user_id != agent.user_id):
        raise Refused(f"user {user_id} may not ask")


def read_request(connection: socket.socket) -> bytes:
    """Return the first line. Raises Refused when it is too long or takes more than 5 s, however slowly it drips."""
    received = bytearray()
    deadline = time.monotonic() + READ_DEADLINE_SECONDS
    while b"\n" not in received:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            part = connection.recv(LONGEST_REQUEST_BYTES + 1 - len(received))
        except OSError as problem:
            raise Refused("no request came in time") from problem
        received += part
        if not part or len(received) > LONGEST_REQUEST_BYTES or time.monotonic() >= deadline:
            raise Refused("no whole request came")
    return bytes(received.partition(b"\n")[0])


def answer_to(line: bytes, verbs: Mapping[str, Verb]) -> dict[str, Any]:
    """Given the request's line, run its verb and return the answer. Raises Refused for anything but a known verb with
    exactly its fields.
    """
    verb, fields = parse_request(line, verbs)
    return answer_of(lambda: verb.run(**fields))
