"""What of an app is shown to whom."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from slave_agent.api.apps import Apps
from slave_agent.api.problems import Reply
from slave_agent.models import Credential
from slave_agent.states import RIGHTS_OF, CredentialKind, TokenScope

ARGUMENTS = ["--password=hunter22", "--verbose", "--token", "abcdef"]
DETAIL = {"app": {"name": "shop"}, "config": {"arguments": ARGUMENTS, "script": "/srv/main.py"}}


class Manager:
    def detail(self, name: str) -> dict[str, Any]:
        return DETAIL


class Asked:
    def __init__(self, scope: TokenScope) -> None:
        self.path_values = {"name": "shop"}
        self.credential = Credential("0" * 64, None, None, CredentialKind.ACCESS, RIGHTS_OF[scope])
        self.shown: Any = None

    async def body(self, limit: int) -> bytes:
        return b""

    async def send(self, reply: Reply) -> None:
        self.shown = json.loads(reply.body)


@pytest.mark.parametrize(
    ("scope", "arguments"),
    [
        (TokenScope.READ, ["--password=***", "--verbose", "--token", "***"]),
        (TokenScope.OPERATE, ARGUMENTS),
        (TokenScope.MANAGE, ARGUMENTS),
    ],
)
def test_who_may_only_look_sees_no_secrets_among_the_arguments(scope: TokenScope, arguments: list[str]) -> None:
    asked, manager = Asked(scope), Manager()
    apps: Any = Apps(manager)  # type: ignore[arg-type]
    asyncio.run(apps.show(asked))
    assert asked.shown["config"] == {"arguments": arguments, "script": "/srv/main.py"}
