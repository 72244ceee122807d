"""What the agent may ask of root when its own release or the bootstrap's token changes. None of it takes code or a path
from the agent: a release or token counts only if the fleet has signed it, and the switch only leads to one that was
tried.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from slave_agent.activation.context import open_activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.layout import SYSTEM_OPT
from slave_agent.activation.states import Scope
from slave_agent.activation.status import releases
from slave_agent.privileged.requests import Verb

APART_SECONDS = 50.0


def run_apart(*words: str) -> Mapping[str, Any]:
    """Given a verb of the activation and its options, run it in a unit of its own, for it works on what the helper's
    sandbox keeps closed; return its answer. Raises ActivationError.
    """
    activation = open_activation(Scope.SYSTEM, SYSTEM_OPT)
    run = ["systemd-run", "--quiet", "--collect", "--wait", "--pipe", *activation.layout.command(*words)]
    finished = activation.runner.run(run, timeout_seconds=APART_SECONDS)
    try:
        answer = json.loads(finished.stdout)
    except ValueError:
        answer = {"error": f"{words[0]} gave no answer: {finished.reason}"}
    if "error" in answer:
        raise ActivationError(str(answer["error"]), str(answer.get("hint", "Ask again.")))
    return dict(answer)


def _asked(*words: str) -> Callable[[], Mapping[str, Any]]:
    return lambda: run_apart(*words)


def _releases() -> Mapping[str, Any]:
    return releases(open_activation(Scope.SYSTEM, SYSTEM_OPT))


def _update(file: str) -> Mapping[str, Any]:
    return run_apart("update", f"--file={file}")


def _rescue(order: str) -> Mapping[str, Any]:
    return run_apart("rescue", f"--order={order}")


UPDATE_VERBS: dict[str, Verb] = {
    "releases": Verb(_releases),
    "update": Verb(_update, {"file": str}),
    "handover": Verb(_asked("handover")),
    "rollback": Verb(_asked("rollback")),
    "rescue": Verb(_rescue, {"order": str}),
}
