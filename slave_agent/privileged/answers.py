"""How a verb's end becomes the helper's answer: what it returned, or why it was refused or failed."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from slave_agent.activation.errors import ActivationError
from slave_agent.systemd.errors import Busy, InvalidConfig, Refused, SystemdError

REFUSED, BUSY, FAILED = "refused", "busy", "failed"


def answer_of(verb: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Run a verb and return its answer. Never raises: an error that nobody expected goes to the journal."""
    try:
        return {"ok": True, **verb()}
    except (Refused, InvalidConfig) as problem:
        answer = _no(REFUSED, problem.message, problem.hint)
        return {**answer, "problems": [one.as_json() for one in problem.problems]}
    except Busy as problem:
        return _no(BUSY, problem.message, problem.hint)
    except (SystemdError, ActivationError) as problem:
        return _no(FAILED, problem.message, problem.hint)
    except OSError as problem:
        return _no(FAILED, f"Root's helper failed: {problem}", "Look at rights and room on the disk.")
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return _no(FAILED, "Root's helper met an error that it did not expect.", "See: journalctl -u 'd8-helper*'")


def _no(kind: str, error: str, hint: str) -> dict[str, Any]:
    return {"ok": False, "kind": kind, "error": error, "hint": hint}
