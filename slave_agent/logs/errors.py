"""Why logs can't be had."""

from __future__ import annotations

from slave_agent.errors import AgentError


class JournalUnreadable(AgentError):
    """journalctl could not be started, or ended with an error."""


class NoSuchLog(AgentError):
    """There is no app of this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no app is called {name[:60]!r}", "GET /api/apps lists those that there are.")


class TooManyViewers(AgentError):
    """An app, or the agent, has as many viewers as it takes."""
