"""The table of what the agent may ask of root. Each row is one verb with a fixed effect: none takes a free argument."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from slave_agent.activation.confirm import confirm
from slave_agent.activation.context import Activation, open_activation
from slave_agent.activation.layout import SYSTEM_OPT
from slave_agent.activation.states import Scope

Verb = Callable[[], "dict[str, Any]"]


def _activation() -> Activation:
    return open_activation(Scope.SYSTEM, SYSTEM_OPT)


def _ping() -> dict[str, Any]:
    return {"python": ".".join(str(part) for part in sys.version_info[:3])}


def _confirm() -> dict[str, Any]:
    return confirm(_activation())


def _begun(verb: str) -> Verb:
    """A verb that ends the agent is begun apart, so that the agent's reply still gets out."""

    def begin() -> dict[str, Any]:
        _activation().keeper.detach(verb, "--wait", "--after=1")
        return {"started": True, "verb": verb}

    return begin


VERBS: dict[str, Verb] = {
    "ping": _ping,
    "confirm": _confirm,
    "return-to-bootstrap": _begun("return-to-bootstrap"),
    "uninstall": _begun("uninstall"),
}
