"""GET /api/apps/NAME/logs: a page of an app's log, as JSON or as text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from slave_agent.api.exchange import CutOff, Exchange
from slave_agent.api.log_forms import page_request
from slave_agent.logs.hub import LogHub
from slave_agent.logs.items import Item
from slave_agent.logs.pages import Page, Rendering
from slave_agent.logs.text import line_of
from slave_agent.routes import SMALL_BODY_BYTES

_encode = json.JSONEncoder(ensure_ascii=False).encode


class Logs:
    """Given the hub of all streams."""

    def __init__(self, hub: LogHub) -> None:
        self._hub = hub

    async def page(self, exchange: Exchange) -> None:
        """GET /api/apps/NAME/logs. Sent as the client reads it; one that reads too slowly while others need the room is
        cut off.
        """
        await exchange.body(SMALL_BODY_BYTES)
        name = self._hub.known(exchange.path_values["name"])
        request, is_text = page_request(exchange.query, datetime.now(UTC))
        if is_text is None:
            is_text = exchange.header("accept").partition(",")[0].partition(";")[0].strip() == "text/plain"
        rendering: Rendering = AsText(name) if is_text else AsJson()
        async with self._hub.page(name, request, rendering) as (page, held):
            await exchange.send_head(200, _headers(page, is_text) | {"Content-Length": str(held.size)})
            while (piece := held.next()) is not None:
                await exchange.send_body(piece, has_more=True)
            if held.is_dropped:
                raise CutOff
            await exchange.send_body(b"", has_more=False)


class AsJson:
    """One JSON object."""

    def entry(self, item: Item) -> bytes:
        """The JSON text of an entry."""
        return _encode(item.entry.as_json()).encode("utf-8", "replace")

    def whole(self, page: Page) -> Iterable[bytes]:
        """The object, its entries one after the other."""
        yield b'{"entries": ['
        for place, entry in enumerate(page.entries):
            yield entry if place == 0 else b", " + entry
        cursors = {"next_cursor": page.next_cursor, "previous_cursor": page.previous_cursor}
        yield b"], " + _encode(cursors).encode()[1:] + b"\n"


class AsText:
    """Lines for people. Given the app's name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def entry(self, item: Item) -> bytes:
        """The line of an entry."""
        return f"{line_of(item.entry, self._name)}\n".encode("utf-8", "replace")

    def whole(self, page: Page) -> Iterable[bytes]:
        """The lines."""
        return page.entries


def _headers(page: Page, is_text: bool) -> dict[str, str]:
    if not is_text:
        return {"Content-Type": "application/json"}
    cursor = {} if page.next_cursor is None else {"X-Next-Cursor": page.next_cursor}
    return {"Content-Type": "text/plain; charset=utf-8"} | cursor
