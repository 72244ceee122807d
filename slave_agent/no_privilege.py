"""A machine on which the agent can't have services at all: everything is answered with what to run to change that."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from slave_agent.errors import PermissionMissing
from slave_agent.own_privilege import processes_seen
from slave_agent.privilege import (
    CheckAnswer,
    Document,
    InstallAnswer,
    PermissionReport,
    ProcessSeen,
    UnitLook,
    UnitOutcome,
)
from slave_agent.systemd.states import UnitVerb


class NoPrivilege:
    """Given why there are no services here, what to run to have some, and how a report is put together."""

    def __init__(self, reason: str, hint: str, report: Callable[[], PermissionReport]) -> None:
        self._reason = reason
        self._hint = hint
        self._report = report

    def check(self, document: Document, keep_environment: bool = False) -> CheckAnswer:
        self._refuse(document, keep_environment)

    def install(self, document: Document, keep_environment: bool = False) -> InstallAnswer:
        self._refuse(document, keep_environment)

    def restore(self, name: str) -> bool:
        self._refuse(name)

    def forget_previous(self, name: str) -> None:
        self._refuse(name)

    def remove(self, name: str) -> bool:
        self._refuse(name)

    def act(self, verb: UnitVerb, name: str) -> UnitOutcome:
        self._refuse(verb, name)

    def look(self, name: str) -> UnitLook:
        self._refuse(name)

    def installed(self) -> tuple[str, ...]:
        return ()

    def scan(self) -> tuple[ProcessSeen, ...]:
        return processes_seen()

    def permissions(self) -> PermissionReport:
        return self._report()

    def _refuse(self, *_asked: object) -> NoReturn:
        raise PermissionMissing(self._reason, self._hint)
