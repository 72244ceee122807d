"""The table of routes: what a token must be allowed, how large a body may be, and who answers. Pure; a path not in it
is not served.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slave_agent.states import Right

if TYPE_CHECKING:
    from slave_agent.api.exchange import Exchange
    from slave_agent.api.socket import Socket

SMALL_BODY_BYTES = 64 * 1024
EXECUTE_BODY_BYTES = 1024 * 1024
APP_BODY_BYTES = 128 * 1024
WEBSOCKET = "(websocket)"  # the method of a route that is one; HTTP has none that could be called so
_PLACEHOLDER = re.compile(r"<([a-z_]+)>")

AsyncHandler = Callable[["Exchange"], Awaitable[None]]
SocketHandler = Callable[["Socket"], Awaitable[None]]


@dataclass(frozen=True)
class Route:
    """One method of one path, in Flask's notation. Without a handler it is Flask that answers; a WebSocket has the
    method `WEBSOCKET` and `on_socket`. The panel's are for browsers: who has no session is shown the login.
    """

    method: str
    rule: str
    right: Right
    handler: AsyncHandler | None = None
    body_limit_bytes: int = SMALL_BODY_BYTES
    on_socket: SocketHandler | None = None
    is_panel: bool = False

    @property
    def pattern(self) -> re.Pattern[str]:
        """What the whole path must match; a placeholder stands for one segment."""
        pieces = _PLACEHOLDER.split(self.rule)
        texts = [f"(?P<{piece}>[^/]+)" if index % 2 else re.escape(piece) for index, piece in enumerate(pieces)]
        return re.compile("".join(texts) + r"\Z")


class RouteTable:
    """All routes. Given them in any order; two that match the same path with the same method are a mistake of ours."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._compiled = [(route.pattern, route) for route in self.routes]

    def find(self, method: str, path: str) -> tuple[Route | None, Mapping[str, str], frozenset[str]]:
        """Given a request's method and path, return its route or None, the values in the path, and the methods that
        the path takes.
        """
        found: Route | None = None
        values: Mapping[str, str] = {}
        methods = set()
        wanted = "GET" if method == "HEAD" else method
        for pattern, route in self._compiled:
            if (match := pattern.match(path)) is not None:
                methods.add(route.method)
                if route.method == wanted:
                    found, values = route, match.groupdict()
        return found, values, frozenset(methods)
