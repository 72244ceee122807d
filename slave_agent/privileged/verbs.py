"""The table of what the agent may ask of root. Each row is one verb with a fixed effect; apps' verbs take a name or a
document, which is checked in full before anything happens.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from slave_agent.activation.context import Activation, open_activation
from slave_agent.activation.layout import SYSTEM_OPT
from slave_agent.activation.states import Scope
from slave_agent.privileged import app_verbs
from slave_agent.privileged.requests import Verb
from slave_agent.privileged.sudoers_files import sudoers_finding
from slave_agent.privileged.update_verbs import UPDATE_VERBS, run_apart
from slave_agent.systemd.states import UnitVerb

Answer = Mapping[str, Any]


def _activation() -> Activation:
    return open_activation(Scope.SYSTEM, SYSTEM_OPT)


def _ping() -> Answer:
    return {"python": ".".join(str(part) for part in sys.version_info[:3])}


def _begun(verb: str) -> Callable[[], Answer]:
    """A verb that ends the agent is begun apart, so that the agent's reply still gets out."""

    def begin() -> Answer:
        _activation().keeper.detach(verb, "--wait", "--after=1")
        return {"started": True, "verb": verb}

    return begin


NAME = {"name": str}
DOCUMENT: Mapping[str, type] = {"document": dict}
KEEP: Mapping[str, type] = {"keep_environment": bool}

VERBS: dict[str, Verb] = {
    "ping": Verb(_ping),
    "confirm": Verb(lambda: run_apart("confirm")),
    "return-to-bootstrap": Verb(_begun("return-to-bootstrap")),
    "uninstall": Verb(_begun("uninstall")),
    "check": Verb(app_verbs.check, DOCUMENT, KEEP),
    "install-unit": Verb(app_verbs.install_unit, DOCUMENT, KEEP),
    "restore-unit": Verb(app_verbs.restore_unit, NAME),
    "forget-previous": Verb(app_verbs.forget_previous, NAME),
    "remove-unit": Verb(app_verbs.remove_unit, NAME),
    "look": Verb(app_verbs.look, NAME),
    "installed": Verb(app_verbs.installed),
    "users": Verb(app_verbs.users),
    **UPDATE_VERBS,
    "scan": Verb(app_verbs.scan_processes),
    "sudoers": Verb(sudoers_finding),
    **{verb.value: Verb(app_verbs.act(verb), NAME) for verb in UnitVerb},
}
