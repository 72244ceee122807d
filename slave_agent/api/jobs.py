"""Commands over HTTP: execute, their output from an offset, cancel. Waiting is polling in the event loop; it holds no
thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import parse_qsl

from slave_agent.api.dto import nothing
from slave_agent.api.exchange import Exchange
from slave_agent.api.problems import json_reply
from slave_agent.bootstrap.execute_request import read_execute_request
from slave_agent.bootstrap.jobs import JobOutput, JobSnapshot, JobStore
from slave_agent.bootstrap.output_query import read_output_query
from slave_agent.errors import HttpProblem
from slave_agent.routes import EXECUTE_BODY_BYTES, SMALL_BODY_BYTES

_SHORTEST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.25
_PAUSE_GROWTH = 1.3
_CANCEL_SECONDS = 20.0
_PATIENCE_WHEN_STOPPING_SECONDS = 2.0  # what is nearly done gets its answer

_Look = TypeVar("_Look")


class Jobs:
    """Given the job store and for how many seconds the agent has been stopping (0.0 while it is not)."""

    def __init__(self, store: JobStore, stopping_for: Callable[[], float]) -> None:
        self._store = store
        self._stopping_for = stopping_for

    async def execute(self, exchange: Exchange) -> None:
        """POST /api/execute: 200 with the result, or 202 with the job if the client does not wait for it."""
        asked = read_execute_request(await exchange.json(EXECUTE_BODY_BYTES))
        snapshot = await asyncio.to_thread(self._store.start, asked.job)
        where = {"Location": f"/api/jobs/{snapshot.id}"}
        if not asked.wait:
            await exchange.send(json_reply(202, {"id": snapshot.id, "state": snapshot.state}, where))
            return
        seconds = snapshot.timeout_seconds + 60.0  # the job's own deadline ends it; its sweep may take a moment more
        snapshot = await self._until(exchange, seconds, lambda: self._store.snapshot(snapshot.id), _has_ended)
        if not snapshot.state.has_ended:
            hint = f"GET /api/jobs/{snapshot.id} tells what became of it, once the agent is back."
            raise HttpProblem(503, "the agent stops before the command has ended", hint, where | {"Retry-After": "2"})
        await exchange.send(json_reply(200, await asyncio.to_thread(self._store.reply, snapshot)))

    async def output(self, exchange: Exchange) -> None:
        """GET /api/jobs/ID: state, and output from the given offsets; with `wait` only once there is something new."""
        job_id = exchange.path_values["job_id"]
        asked = read_output_query(dict(parse_qsl(exchange.scope["query_string"].decode("latin-1"), True)))
        await exchange.body(SMALL_BODY_BYTES)

        def look() -> JobOutput:
            return self._store.read(job_id, asked.offset, asked.stderr_offset, asked.limit)

        output = await self._until(exchange, asked.wait_seconds, look, _has_news)
        await exchange.send(json_reply(200, output.document()))

    async def cancel(self, exchange: Exchange) -> None:
        """POST /api/jobs/ID/cancel: where the job stands once it has stopped, or after 20 s."""
        job_id = exchange.path_values["job_id"]
        nothing(await exchange.json(SMALL_BODY_BYTES))
        await asyncio.to_thread(self._store.cancel, job_id, 0.0)
        snapshot = await self._until(exchange, _CANCEL_SECONDS, lambda: self._store.snapshot(job_id), _has_ended)
        await exchange.send(json_reply(200, snapshot.document()))

    async def _until(
        self, exchange: Exchange, seconds: float, look: Callable[[], _Look], is_enough: Callable[[_Look], bool]
    ) -> _Look:
        """Look again and again until it is enough, the time is up, the client is gone or the agent can't wait any
        longer; return the last look.
        """
        now = asyncio.get_running_loop().time
        give_up = now() + seconds
        pause = _SHORTEST_PAUSE_SECONDS
        gone = asyncio.ensure_future(exchange.until_gone())
        try:
            while True:
                seen = await asyncio.to_thread(look)
                left = give_up - now()
                if (
                    is_enough(seen)
                    or left <= 0
                    or gone.done()
                    or self._stopping_for() > _PATIENCE_WHEN_STOPPING_SECONDS
                ):
                    return seen
                await asyncio.wait([gone], timeout=min(pause, left))
                pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE_SECONDS)
        finally:
            gone.cancel()


def _has_ended(snapshot: JobSnapshot) -> bool:
    return snapshot.state.has_ended


def _has_news(output: JobOutput) -> bool:
    return bool(output.stdout or output.stderr) or output.snapshot.state.has_ended
