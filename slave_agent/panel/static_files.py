"""What the pages load: scripts, the style, the icon. Read once; a file that is not in this table is not served."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from slave_agent.api.exchange import Exchange
from slave_agent.api.problems import Reply
from slave_agent.routes import AsyncHandler

FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FILES = (
    "panel.css",
    "icon.svg",
    "elements.js",
    "texts.js",
    "wire.js",
    "page.js",
    "login.js",
    "apps.js",
    "app_row.js",
    "audit.js",
)


def static_files() -> dict[str, AsyncHandler]:
    """Return for each file its path and who answers with it."""
    return {f"/static/{name}": partial(_answer, _reply_with(FOLDER / name)) for name in FILES}


def _reply_with(path: Path) -> Reply:
    headers = {"Content-Type": _TYPES[path.suffix], "Cross-Origin-Resource-Policy": "same-origin"}
    return Reply(200, headers, path.read_bytes())


async def _answer(reply: Reply, exchange: Exchange) -> None:
    await exchange.send(reply)
