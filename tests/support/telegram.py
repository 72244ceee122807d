"""A real HTTP server in the place of Telegram's, which remembers what it was sent and answers as told."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

TAKEN = (200, {"ok": True, "result": {"message_id": 7}})
# As api.telegram.org words them.
WRONG_TOKEN = (401, {"ok": False, "error_code": 401, "description": "Unauthorized"})
NO_CHAT = (400, {"ok": False, "error_code": 400, "description": "Bad Request: chat not found"})


def too_many(seconds: int) -> tuple[int, dict[str, Any]]:
    """The answer to too many messages."""
    text = f"Too Many Requests: retry after {seconds}"
    return 429, {"ok": False, "error_code": 429, "description": text, "parameters": {"retry_after": seconds}}


@dataclass
class TelegramServer:
    """Given the HTTP server; `answers` are given in turn, after that every message is taken."""

    server: HTTPServer
    answers: list[tuple[int, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server.expect_request(re.compile(r"(?s)/bot.*/sendMessage"), method="POST").respond_with_handler(
            self._answer
        )

    @property
    def url(self) -> str:
        """What TELEGRAM_API_URL names."""
        return str(self.server.url_for("")).rstrip("/")

    def _answer(self, request: Request) -> Response:
        message = json.loads(request.get_data())
        self.paths.append(request.path)
        self.messages.append(message)
        status, answer = self.answers.pop(0) if self.answers else TAKEN
        if (status, answer) == TAKEN:
            self.taken.append(message)
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return Response(text, status, content_type="application/json")
