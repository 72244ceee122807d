"""The agent's exceptions: one root, whose message names what failed and whose hint says what the operator does next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


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


class PermissionMissing(AgentError):
    """Nobody whom the agent can ask may do it on this machine; the hint is what to run to change that."""


class PrivilegeUnavailable(AgentError):
    """Who may do it is there but gave no answer; asking again may help."""


class OperationRefused(AgentError):
    """What was asked for an app is not allowed or not possible. `problems` are {"field", "message", "hint"} each."""

    def __init__(self, message: str, hint: str = "", problems: Sequence[Mapping[str, str]] = ()) -> None:
        super().__init__(message, hint)
        self.problems = tuple(dict(problem) for problem in problems)


class HttpProblem(AgentError):
    """A request that is answered with an error. Given status and texts, carries what problem+json needs; `members`
    are added to the document, also in place of its `type`.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        hint: str = "",
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail, hint)
        self.status = status
        self.headers = dict(headers or {})
        self.members = dict(members or {})
