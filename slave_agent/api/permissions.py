"""Which rights the agent has on this machine, and what to run to get those that are missing."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from slave_agent.api.exchange import Exchange
from slave_agent.api.problems import json_reply
from slave_agent.privilege import Privilege
from slave_agent.routes import SMALL_BODY_BYTES


class Permissions:
    """Given who does what the agent may not. One look at a time: it asks root's helper and systemd."""

    def __init__(self, privilege: Privilege) -> None:
        self._privilege = privilege
        self._looks = ThreadPoolExecutor(1, "permissions")

    async def answer(self, exchange: Exchange) -> None:
        """GET /api/permissions."""
        await exchange.body(SMALL_BODY_BYTES)
        report = await asyncio.get_running_loop().run_in_executor(self._looks, self._privilege.permissions)
        await exchange.send(json_reply(200, report.as_json()))
