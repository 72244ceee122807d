"""Apps as the agent's own user's services: without root, the agent has the user's own systemd do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from slave_agent.errors import OperationRefused, PrivilegeUnavailable
from slave_agent.privilege import (
    CheckAnswer,
    Document,
    InstallAnswer,
    PermissionReport,
    ProcessSeen,
    UnitLook,
    UnitOutcome,
)
from slave_agent.systemd.errors import InvalidConfig, Refused, SystemdError
from slave_agent.systemd.operations import AppOperations
from slave_agent.systemd.process_scan import scan
from slave_agent.systemd.states import UnitVerb
from slave_agent.systemd.unit_files import UnitFileState


class OwnPrivilege:
    """Given the operations in the user's place, and how a report of permissions is put together."""

    def __init__(self, operations: AppOperations, report: Callable[[], PermissionReport]) -> None:
        self._operations = operations
        self._report = report

    def check(self, document: Document, keep_environment: bool = False) -> CheckAnswer:
        with _agents_errors():
            problems, interpreter = self._operations.check(document, keep_environment)
        return CheckAnswer(tuple(problems), interpreter)

    def install(self, document: Document, keep_environment: bool = False) -> InstallAnswer:
        with _agents_errors():
            answer = self._operations.install_unit(document, keep_environment)
        return InstallAnswer(answer["unit"], answer["interpreter"], tuple(answer["environment_names"]))

    def restore(self, name: str) -> bool:
        with _agents_errors():
            return self._operations.restore_unit(name)

    def forget_previous(self, name: str) -> None:
        with _agents_errors():
            self._operations.forget_previous(name)

    def remove(self, name: str) -> bool:
        with _agents_errors():
            return self._operations.remove_unit(name)

    def act(self, verb: UnitVerb, name: str) -> UnitOutcome:
        with _agents_errors():
            finished = self._operations.act(verb, name)
        return UnitOutcome(finished.exit_code == 0, finished.stderr.strip())

    def look(self, name: str) -> UnitLook:
        with _agents_errors():
            seen = self._operations.look(name)
        return UnitLook(UnitFileState(seen["file"]), tuple(seen["environment_names"]), seen["has_previous"])

    def installed(self) -> tuple[str, ...]:
        with _agents_errors():
            return self._operations.installed()

    def scan(self) -> tuple[ProcessSeen, ...]:
        return processes_seen()

    def permissions(self) -> PermissionReport:
        return self._report()


def processes_seen() -> tuple[ProcessSeen, ...]:
    """Return the Node.js and Python processes of this host; of other users' only what everybody may read."""
    return tuple(ProcessSeen(**{**one, "arguments": tuple(one["arguments"])}) for one in scan())


@contextmanager
def _agents_errors() -> Iterator[None]:
    """Raise what the operations raise as the agent's own errors."""
    try:
        yield
    except (Refused, InvalidConfig) as problem:
        wrong = [one.as_json() for one in problem.problems]
        raise OperationRefused(problem.message, problem.hint, wrong) from problem
    except SystemdError as problem:
        raise PrivilegeUnavailable(problem.message, problem.hint) from problem
    except OSError as problem:
        raise PrivilegeUnavailable(
            f"that could not be written: {problem}", "Look at the disk and its rights."
        ) from problem
