"""Apps over HTTP. An operation waits for its outcome in a thread of its own kind, so that neither Flask's threads nor
looks at apps ever wait behind it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from slave_agent.api.app_forms import edit_order, registration
from slave_agent.api.dto import nothing
from slave_agent.api.exchange import Exchange
from slave_agent.api.problems import json_reply
from slave_agent.errors import HttpProblem
from slave_agent.models import JsonObject
from slave_agent.monitor.masking import masked
from slave_agent.orchestrator.app_manager import AppManager
from slave_agent.routes import APP_BODY_BYTES, SMALL_BODY_BYTES, AsyncHandler
from slave_agent.states import AppVerb, Right

OPERATION_THREADS = 16  # each mostly sleeps while an app proves itself; they are made when needed
LONGEST_QUEUE = 64
LOOK_THREADS = 4
_BUSY_SECONDS = 5

_Result = TypeVar("_Result")


class Apps:
    """Given the apps."""

    def __init__(self, manager: AppManager) -> None:
        self._manager = manager
        self._operations = ThreadPoolExecutor(OPERATION_THREADS, "app-operation")
        self._looks = ThreadPoolExecutor(LOOK_THREADS, "app-look")
        self._free = threading.Semaphore(LONGEST_QUEUE)

    async def list(self, exchange: Exchange) -> None:
        """GET /api/apps."""
        await exchange.body(SMALL_BODY_BYTES)
        apps = await self._look(self._manager.statuses)
        await exchange.send(json_reply(200, {"apps": apps}))

    async def show(self, exchange: Exchange) -> None:
        """GET /api/apps/NAME: status and configuration."""
        await exchange.body(SMALL_BODY_BYTES)
        name = exchange.path_values["name"]
        detail = await self._look(lambda: self._manager.detail(name))
        await exchange.send(json_reply(200, detail if _may_operate(exchange) else without_secrets(detail)))

    async def status(self, exchange: Exchange) -> None:
        """GET /api/apps/NAME/status: status and last lines."""
        await exchange.body(SMALL_BODY_BYTES)
        name = exchange.path_values["name"]

        def look() -> JsonObject:
            return self._manager.status(name) | {"log": list(self._manager.log_lines(name))}

        await exchange.send(json_reply(200, await self._look(look)))

    async def register(self, exchange: Exchange) -> None:
        """POST /api/apps/register: 201 once the app runs and has stayed up."""
        document = registration(await exchange.json(APP_BODY_BYTES))
        status = await self._operate(lambda: self._manager.register(document))
        where = {"Location": f"/api/apps/{status['name']}"}
        await exchange.send(json_reply(201, status, where))

    async def edit(self, exchange: Exchange) -> None:
        """PATCH /api/apps/NAME."""
        order = edit_order(await exchange.json(APP_BODY_BYTES))
        name = exchange.path_values["name"]
        status, edited = await self._operate(lambda: self._manager.edit(name, order))
        document = {
            "app": status,
            "changes": [change.as_json() for change in edited.changes],
            "restarted": edited.is_restarted,
            "needs_restart": edited.needs_restart,
        }
        await exchange.send(json_reply(200, document))

    async def remove(self, exchange: Exchange) -> None:
        """DELETE /api/apps/NAME."""
        nothing(await exchange.json(SMALL_BODY_BYTES))
        name = exchange.path_values["name"]
        await self._operate(lambda: self._manager.unregister(name))
        await exchange.send(json_reply(200, {"removed": name}))

    def operation(self, verb: AppVerb) -> AsyncHandler:
        """Given what is done with one app, return the route that does it and answers with the app's status."""

        async def answer(exchange: Exchange) -> None:
            nothing(await exchange.json(SMALL_BODY_BYTES))
            await exchange.send(json_reply(200, await self.perform(verb, exchange.path_values["name"])))

        return answer

    async def perform(self, verb: AppVerb, name: str) -> JsonObject:
        """Given what is done and an app, do it and return the app's status. Raises AgentError."""
        return await self._operate(lambda: self._act(verb)(name))

    async def look_at(self, name: str) -> JsonObject:
        """Given an app, return its status. Raises AgentError."""
        return await self._look(lambda: self._manager.status(name))

    def _act(self, verb: AppVerb) -> Callable[[str], JsonObject]:
        return {
            AppVerb.START: self._manager.start,
            AppVerb.STOP: self._manager.stop,
            AppVerb.RESTART: self._manager.restart,
            AppVerb.ENABLE: self._manager.enable,
            AppVerb.DISABLE: self._manager.disable,
        }[verb]

    async def _look(self, look: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._looks, look)

    async def _operate(self, operate: Callable[[], _Result]) -> _Result:
        """Run an operation to its end, even if its client leaves. Raises HttpProblem 503 where too many wait."""
        if not self._free.acquire(blocking=False):
            hint = f"Try again in {_BUSY_SECONDS} s."
            raise HttpProblem(503, "too many operations on apps wait", hint, {"Retry-After": str(_BUSY_SECONDS)})

        running = self._operations.submit(operate)
        running.add_done_callback(lambda _: self._free.release())
        return await asyncio.wrap_future(running)


def _may_operate(exchange: Exchange) -> bool:
    return exchange.credential is not None and Right.OPERATE in exchange.credential.rights


def without_secrets(detail: JsonObject) -> JsonObject:
    """Given an app's detail, return it for those who may only look: arguments as in the list of processes. Pure."""
    arguments = detail["config"].get("arguments")
    if not arguments:
        return detail
    return detail | {"config": detail["config"] | {"arguments": list(masked(arguments))}}
