"""What runs on the machine and what happened to it: processes, the chosen ones, events, metrics.

systemd and root's helper are asked in threads of their own kind: a slow answer holds neither Flask's nor those of apps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TypeVar

import slave_agent
from slave_agent.api.exchange import Exchange
from slave_agent.api.problems import Reply, json_reply
from slave_agent.api.query import whole_number
from slave_agent.errors import HttpProblem
from slave_agent.models import AgentSettings, JsonObject
from slave_agent.monitor.detection import DetectedProcess
from slave_agent.monitor.events import PAGE, page_of
from slave_agent.monitor.host_facts import process_facts, system_facts
from slave_agent.monitor.incidents import Observation
from slave_agent.monitor.masking import masked
from slave_agent.monitor.metrics import METRICS_TYPE, metrics_text
from slave_agent.monitor.monitor import Monitor
from slave_agent.monitor.monitored import monitored_from
from slave_agent.monitor.processes import Usage
from slave_agent.orchestrator.app_manager import AppManager
from slave_agent.routes import SMALL_BODY_BYTES
from slave_agent.systemd.service_config import app_name_of

LOOK_THREADS = 2
_LARGEST_NUMBER = 2**53

_Result = TypeVar("_Result")


class Monitoring:
    """Given the monitor, the settings, and the apps."""

    def __init__(self, monitor: Monitor, settings: AgentSettings, apps: AppManager) -> None:
        self._monitor = monitor
        self._settings = settings
        self._apps = apps
        self._looks = ThreadPoolExecutor(LOOK_THREADS, "monitor-look")

    async def processes(self, exchange: Exchange) -> None:
        """GET /api/processes: every Node.js and Python process."""
        await exchange.body(SMALL_BODY_BYTES)

        def look() -> JsonObject:
            found = self._monitor.processes.all()
            usage = self._monitor.meter.measure(process.pid for process in found)
            return {"processes": [_process_document(process, usage.get(process.pid)) for process in found]}

        await exchange.send(json_reply(200, await self._look(look)))

    async def chosen(self, exchange: Exchange) -> None:
        """GET /api/monitored: the chosen processes and how they fare."""
        await exchange.body(SMALL_BODY_BYTES)
        await exchange.send(json_reply(200, await self._look(self._chosen_document)))

    async def choose(self, exchange: Exchange) -> None:
        """PUT /api/monitored: the whole list anew."""
        document = await exchange.json(SMALL_BODY_BYTES)
        if not isinstance(document, dict) or document.keys() != {"monitored"}:
            raise HttpProblem(
                422, "the body must be one object with monitored alone", 'For instance {"monitored": ["shop"]}.'
            )
        chosen, problems = monitored_from(document["monitored"])
        if problems:
            raise HttpProblem(422, "; ".join(problems), "Mend these entries and send the list again.")
        await self._look(lambda: self._monitor.chosen.choose(chosen))
        await exchange.send(json_reply(200, await self._look(self._chosen_document)))

    async def events(self, exchange: Exchange) -> None:
        """GET /api/events?after=N&limit=N."""
        await exchange.body(SMALL_BODY_BYTES)
        after, limit = (
            whole_number(exchange.query, "after", 0, _LARGEST_NUMBER),
            whole_number(exchange.query, "limit", PAGE, PAGE),
        )
        await exchange.send(json_reply(200, page_of(self._monitor.events, after, limit)))

    async def metrics(self, exchange: Exchange) -> None:
        """GET /metrics, for Prometheus."""
        await exchange.body(SMALL_BODY_BYTES)
        page = await self._look(self._metrics_page)
        await exchange.send(Reply(200, {"Content-Type": METRICS_TYPE}, page))

    def _metrics_page(self) -> bytes:
        settings = self._settings
        identity = {
            "slave_id": settings.slave_id,
            "version": slave_agent.__version__,
            "commit": settings.commit or "",
        }
        system = system_facts(settings) | {"agent": process_facts()}
        return metrics_text(identity, system, self._apps.statuses(), self._monitor.events.last_id)

    def _chosen_document(self) -> JsonObject:
        seen = {observation.name: observation for observation in self._monitor.observer.of_chosen()}
        chosen = self._monitor.chosen.chosen
        return {"monitored": [asdict(one) | _status_document(seen.get(one.name)) for one in chosen]}

    async def _look(self, look: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._looks, look)


def _status_document(seen: Observation | None) -> JsonObject:
    return {
        "status": None if seen is None else seen.status.value,
        "unit_state": None if seen is None else seen.unit_state.value,
        "pid": None if seen is None else seen.pid,
        "detail": "" if seen is None else seen.detail,
    }


def _process_document(process: DetectedProcess, usage: Usage | None) -> JsonObject:
    return {
        "pid": process.pid,
        "name": process.name,
        "kind": process.kind.value,
        "command_line": list(masked(process.command_line)),
        "user": process.user,
        "unit": process.unit,
        "app": app_name_of(process.unit) if process.unit else None,
        "working_dir": process.working_dir,
        "executable": process.executable,
        "started": process.started,
        "cpu_percent": usage.cpu_percent if usage else None,
        "memory_bytes": usage.memory_bytes if usage else process.memory_bytes,
    }
