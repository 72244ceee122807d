"""GET /api/health: short for everybody, with the machine's facts for whoever has a token. Never waits."""

from __future__ import annotations

import slave_agent
from slave_agent.api.exchange import Exchange
from slave_agent.api.problems import json_reply
from slave_agent.models import AgentSettings, JsonObject
from slave_agent.monitor.host_facts import host_summary
from slave_agent.states import AGENT_MODE

_PLAIN_HTTP = "This slave speaks plain HTTP (D8_TLS=off): whoever is on the way reads the token."
_NO_REBOOT = "The agent does not survive a reboot of this machine."


class Health:
    """Given the settings."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings

    async def answer(self, exchange: Exchange) -> None:
        """GET /api/health."""
        document = health_document(self._settings)
        if exchange.credential is not None:
            document["host"] = host_summary()
        await exchange.send(json_reply(200, document))


def health_document(settings: AgentSettings) -> JsonObject:
    """Given the settings, return what anybody may know."""
    warnings = [] if settings.tls else [_PLAIN_HTTP]
    if not settings.survives_reboot:
        warnings.append(_NO_REBOOT)
    return {
        "status": "ok",
        "mode": AGENT_MODE,
        "version": slave_agent.__version__,
        "commit": settings.commit,
        "tls": settings.tls,
        "warnings": warnings,
    }
