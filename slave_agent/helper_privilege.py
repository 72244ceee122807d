"""What needs root, done by root's helper on the same host: each call is one request to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slave_agent.errors import AgentError, OperationRefused, PrivilegeUnavailable
from slave_agent.helper_client import HelperClient
from slave_agent.models import JsonObject
from slave_agent.privilege import (
    CheckAnswer,
    Document,
    InstallAnswer,
    Permission,
    PermissionReport,
    ProcessSeen,
    UnitLook,
    UnitOutcome,
)
from slave_agent.systemd.service_config import FieldProblem
from slave_agent.systemd.states import UnitVerb
from slave_agent.systemd.unit_files import UnitFileState

LONG_SECONDS = 90.0  # the helper's own life is shorter
SHORT_SECONDS = 10.0
REFUSED = "refused"

Report = Callable[[Permission, JsonObject, JsonObject], PermissionReport]


class HelperPrivilege:
    """Given the helper, and how a report is put together from the helper's own state, its users and sudo's rules."""

    def __init__(self, helper: HelperClient, report: Report) -> None:
        self._helper = helper
        self._report = report

    def check(self, document: Document, keep_environment: bool = False) -> CheckAnswer:
        answer = self._ask("check", document=dict(document), keep_environment=keep_environment)
        problems = tuple(FieldProblem(one["field"], one["message"], one["hint"]) for one in answer["problems"])
        return CheckAnswer(problems, answer["interpreter"])

    def install(self, document: Document, keep_environment: bool = False) -> InstallAnswer:
        answer = self._ask("install-unit", document=dict(document), keep_environment=keep_environment)
        return InstallAnswer(answer["unit"], answer["interpreter"], tuple(answer["environment_names"]))

    def restore(self, name: str) -> bool:
        return bool(self._ask("restore-unit", name=name)["restored"])

    def forget_previous(self, name: str) -> None:
        self._ask("forget-previous", name=name)

    def remove(self, name: str) -> bool:
        return bool(self._ask("remove-unit", name=name)["removed"])

    def act(self, verb: UnitVerb, name: str) -> UnitOutcome:
        answer = self._ask(verb.value, name=name)
        return UnitOutcome(bool(answer["done"]), str(answer["message"]))

    def look(self, name: str) -> UnitLook:
        answer = self._ask("look", name=name)
        return UnitLook(UnitFileState(answer["file"]), tuple(answer["environment_names"]), bool(answer["has_previous"]))

    def installed(self) -> tuple[str, ...]:
        return tuple(self._ask("installed")["names"])

    def scan(self) -> tuple[ProcessSeen, ...]:
        return tuple(_process(one) for one in self._ask("scan")["processes"])

    def permissions(self) -> PermissionReport:
        name = "root-helper"
        try:
            self._ask("ping", SHORT_SECONDS)
            users, sudoers = self._ask("users", SHORT_SECONDS), self._ask("sudoers", SHORT_SECONDS)
        except AgentError as error:
            command = "sudo systemctl enable --now d8-helper.socket"
            return self._report(Permission(name, False, str(error.message), command), {}, {})
        return self._report(Permission(name, True, "root's helper answers"), users, sudoers)

    def _ask(self, verb: str, answer_seconds: float = LONG_SECONDS, **fields: Any) -> JsonObject:
        """Raises PermissionMissing, PrivilegeUnavailable or OperationRefused."""
        answer = self._helper.ask({"verb": verb, **fields}, answer_seconds)
        if answer.get("ok") is True:
            return answer
        error, hint = str(answer.get("error", "root's helper refused")), str(answer.get("hint", ""))
        if answer.get("kind") == REFUSED:
            raise OperationRefused(error, hint, answer.get("problems", ()))
        raise PrivilegeUnavailable(error, hint)


def _process(one: JsonObject) -> ProcessSeen:
    return ProcessSeen(
        one["pid"], one["user"], one["working_dir"], one["executable"], tuple(one["arguments"]), one["unit"]
    )
