"""The agent's end of the root helper's socket: one JSON line there, one JSON line back."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from slave_agent.errors import ActivationError, PermissionMissing, PrivilegeUnavailable
from slave_agent.states import ActivationVerb

ANSWER_SECONDS = 20.0
BUSY_SECONDS = 10.0
_LONGEST_ANSWER_BYTES = 16 * 1024 * 1024
_LONGEST_REQUEST_BYTES = 128 * 1024
_AGAIN_SECONDS = 0.1
_LOOK = "Look at it with: journalctl -u 'd8-helper*'"
_SWITCH_ON = "sudo systemctl enable --now d8-helper.socket"


class HelperClient:
    """Given the helper's socket, and how time passes."""

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path = path
        self._clock = clock
        self._sleep = sleep

    def ask(self, request: Mapping[str, Any], answer_seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """Given a verb with its fields, return the answer, yes or no. A helper with too many callers is asked again.

        Raises PermissionMissing (no helper, or not for us) or PrivilegeUnavailable (no answer).
        """
        line = json.dumps(request).encode() + b"\n"
        if len(line) > _LONGEST_REQUEST_BYTES:
            raise PrivilegeUnavailable("the request is too long for root's helper", "Shorten what the app is told.")
        deadline = self._clock() + BUSY_SECONDS
        while True:
            try:
                return self._answer(self._exchange(line, answer_seconds))
            except (ConnectionResetError, BrokenPipeError, BlockingIOError) as error:  # it was not read by anybody
                if self._clock() >= deadline:
                    raise PrivilegeUnavailable(
                        "root's helper hangs up: too many callers, or it fails", _LOOK
                    ) from error
                self._sleep(_AGAIN_SECONDS)

    def _exchange(self, line: bytes, answer_seconds: float) -> bytes:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(answer_seconds)
                connection.connect(str(self.path))
                connection.sendall(line)
                with connection.makefile("rb") as lines:
                    return lines.readline(_LONGEST_ANSWER_BYTES)
        except (ConnectionResetError, BrokenPipeError, BlockingIOError):
            raise
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise PermissionMissing(f"there is no root helper at {self.path}", f"Run: {_SWITCH_ON}") from error
        except PermissionError as error:
            hint = f"Only the agent's own user may; put it right with: {_SWITCH_ON}"
            raise PermissionMissing(f"the root helper at {self.path} is closed to this agent", hint) from error
        except TimeoutError as error:
            raise PrivilegeUnavailable(f"root's helper gave no answer within {answer_seconds:g} s", _LOOK) from error
        except OSError as error:
            raise PrivilegeUnavailable(f"root's helper can't be asked: {error}", _LOOK) from error

    def _answer(self, line: bytes) -> dict[str, Any]:
        answer = read_answer(line)
        if answer is None:
            raise PrivilegeUnavailable("root's helper gave no answer that can be read", _LOOK)
        return answer


def ask_helper(
    path: Path, verb: ActivationVerb, answer_seconds: float = ANSWER_SECONDS, **fields: str
) -> dict[str, Any]:
    """Given the helper's socket and a verb of the activation with its fields, return its answer.

    Raises ActivationError: no helper, no answer in time, or refused.
    """
    try:
        answer = HelperClient(path).ask({"verb": verb, **fields}, answer_seconds)
    except (PermissionMissing, PrivilegeUnavailable) as error:
        raise ActivationError(error.message, error.hint) from error
    return _checked(answer, "root's helper")


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
    return _checked(answer, who)


def _checked(answer: dict[str, Any], who: str) -> dict[str, Any]:
    if answer.get("error") or answer.get("ok") is False:
        raise ActivationError(str(answer.get("error") or f"{who} refused"), str(answer.get("hint") or _LOOK))
    return answer
