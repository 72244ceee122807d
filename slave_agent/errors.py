"""The agent's exceptions: one root, whose message names what failed and whose hint says what the operator does next."""

from __future__ import annotations

from collections.abc import Mapping


class AgentError(Exception):
    """Something the operator has to know about."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class SettingsError(AgentError):
    """agent.json can't be used; the message lists every problem found in it."""


class CredentialsError(AgentError):
    """The credential store, or a certificate or key that it names, can't be used."""


class ListenError(AgentError):
    """The agent's port can't be had."""


class ActivationError(AgentError):
    """The activation, which does what needs more rights than the agent has, refused or did not answer."""


class HttpProblem(AgentError):
    """A request that is answered with an error. Given status and texts, carries what problem+json needs."""

    def __init__(self, status: int, detail: str, hint: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail, hint)
        self.status = status
        self.headers = dict(headers or {})
