"""GET /api/apps/NAME/logs: a page of an app's log, as JSON or as text."""

from __future__ import annotations

from datetime import UTC, datetime

from slave_agent.api.exchange import Exchange
from slave_agent.api.log_forms import page_request
from slave_agent.api.problems import Reply, json_reply
from slave_agent.logs.hub import LogHub
from slave_agent.logs.pages import Page
from slave_agent.logs.text import line_of
from slave_agent.routes import SMALL_BODY_BYTES


class Logs:
    """Given the hub of all streams."""

    def __init__(self, hub: LogHub) -> None:
        self._hub = hub

    async def page(self, exchange: Exchange) -> None:
        """GET /api/apps/NAME/logs."""
        await exchange.body(SMALL_BODY_BYTES)
        name = self._hub.known(exchange.path_values["name"])
        request, is_text = page_request(exchange.query, datetime.now(UTC))
        if is_text is None:
            is_text = exchange.header("accept").partition(",")[0].partition(";")[0].strip() == "text/plain"
        page = await self._hub.page(name, request)
        await exchange.send(_as_text(name, page) if is_text else _as_json(page))


def _as_json(page: Page) -> Reply:
    return json_reply(
        200,
        {
            "entries": [item.entry.as_json() for item in page.items],
            "next_cursor": page.next_cursor,
            "previous_cursor": page.previous_cursor,
        },
    )


def _as_text(name: str, page: Page) -> Reply:
    text = "".join(f"{line_of(item.entry, name)}\n" for item in page.items)
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if page.next_cursor is not None:
        headers["X-Next-Cursor"] = page.next_cursor
    return Reply(200, headers, text.encode("utf-8", "replace"))
