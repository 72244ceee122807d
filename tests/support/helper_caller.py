"""Asks the root helper of a lab host as one of its users, the way the agent does; many requests in one go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.lab.host import Host

_ASK = """
import json, socket, sys, time
def ask(line):
    for _ in range(200):
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(100)
                s.connect("/run/d8-agent-helper/helper.sock")
                s.sendall(line.encode() + b"\\n")
                return s.makefile().readline()
        except (ConnectionResetError, BrokenPipeError):
            time.sleep(0.1)
        except PermissionError:
            return '"PermissionError"'
    return '"too busy"'
print(json.dumps([json.loads(ask(line) or "null") for line in json.load(sys.stdin)]))
"""


class HelperCaller:
    """Given a host whose helper listens. Requests are mappings, or lines as they go over the socket."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def ask(self, verb: str, user: str = "d8-agent", **fields: Any) -> dict[str, Any]:
        """Return the helper's answer to one request."""
        answer = self.ask_all([{"verb": verb, **fields}], user)[0]
        assert isinstance(answer, dict), answer
        return answer

    def must(self, verb: str, **fields: Any) -> dict[str, Any]:
        """Return the helper's yes."""
        answer = self.ask(verb, **fields)
        assert answer["ok"] is True, answer
        return answer

    def ask_all(self, requests: list[Mapping[str, Any] | str], user: str = "d8-agent") -> list[Any]:
        """Return the helper's answers to many requests, one after the other."""
        lines = [request if isinstance(request, str) else json.dumps(request) for request in requests]
        argv = ["runuser", "-u", user, "--", "python3", "-c", _ASK]
        done = self.host.run(argv, input=json.dumps(lines), timeout_seconds=300)
        answers = json.loads(done.stdout)
        assert isinstance(answers, list)
        return answers
