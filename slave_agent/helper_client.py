"""The agent's end of the root helper's socket: one JSON line there, one JSON line back. Which verbs there are is in
states.py.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from slave_agent.errors import ActivationError
from slave_agent.states import ActivationVerb

ANSWER_SECONDS = 20.0
_LONGEST_ANSWER_BYTES = 64 * 1024
_LOOK = "Look at it with: journalctl -u 'd8-helper*'"


def ask_helper(path: Path, verb: ActivationVerb, answer_seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
    """Given the helper's socket and a verb, return its answer. Raises ActivationError: no helper, no answer in time,
    or refused.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(answer_seconds)
            connection.connect(str(path))
            connection.sendall(json.dumps({"verb": verb}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                line = lines.readline(_LONGEST_ANSWER_BYTES)
    except OSError as error:
        raise ActivationError(f"root's helper at {path} does not answer: {error}", _LOOK) from error
    return checked_answer(line, "root's helper")


def read_answer(text: str | bytes) -> dict[str, Any] | None:
    """Given what was said, return the answer in it, or None if there is none."""
    try:
        answer = json.loads(text)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def checked_answer(text: str | bytes, who: str) -> dict[str, Any]:
    """Given what the helper or the activation said, and who it was, return it if it is a yes. Raises ActivationError
    otherwise.
    """
    answer = read_answer(text)
    if answer is None:
        raise ActivationError(f"{who} gave no answer that can be read", _LOOK)
    if answer.get("error") or answer.get("ok") is False:
        raise ActivationError(str(answer.get("error") or f"{who} refused"), str(answer.get("hint") or _LOOK))
    return answer
