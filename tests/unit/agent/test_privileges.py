"""Asking for what the agent may not do: root's helper over its socket, the own user's operations, or nobody."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slave_agent.api.problems import problem_of
from slave_agent.errors import OperationRefused, PermissionMissing, PrivilegeUnavailable
from slave_agent.helper_client import HelperClient
from slave_agent.helper_privilege import HelperPrivilege
from slave_agent.models import CommandResult
from slave_agent.no_privilege import NoPrivilege
from slave_agent.own_privilege import OwnPrivilege
from slave_agent.privilege import Permission, PermissionReport, SudoersFinding
from slave_agent.privilege_choice import privilege_for
from slave_agent.settings import load_settings
from slave_agent.states import Scope
from slave_agent.systemd import accounts
from slave_agent.systemd.service_config import FieldProblem
from slave_agent.systemd.states import UnitVerb
from slave_agent.systemd.unit_files import UnitFileState
from tests.support.agent_process import write_settings
from tests.support.app_host import ANA, AppHost

REPORT = PermissionReport("system", (), SudoersFinding(False, (), ""))
PROCESS = {"pid": 7, "user": "ana", "working_dir": "/srv", "executable": "/usr/bin/node", "arguments": ["node"]}


class Helper:
    """Answers each request with the next of the answers; None hangs up unread, as systemd does above its limit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: list[dict[str, Any] | None] = []
        self.heard: list[dict[str, Any]] = []

    def serve(self, listener: socket.socket) -> None:
        for answer in self.answers:
            with listener.accept()[0] as caller:
                if answer is not None:
                    self.heard.append(json.loads(caller.makefile("rb").readline()))
                    caller.sendall(json.dumps(answer).encode() + b"\n")

    @contextmanager
    def giving(self, *answers: dict[str, Any] | None) -> Iterator[HelperPrivilege]:
        self.answers = list(answers)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(self.path))
            listener.listen()
            thread = threading.Thread(target=self.serve, args=(listener,))
            thread.start()
            yield HelperPrivilege(HelperClient(self.path), lambda *_: REPORT)
            thread.join()


@pytest.fixture
def helper(tmp_path: Path) -> Helper:
    return Helper(tmp_path / "helper.sock")


@pytest.mark.parametrize(
    ("ask", "request_fields", "answer", "expected"),
    [
        (
            lambda it: it.check({"name": "shop"}).interpreter,
            {"verb": "check", "document": {"name": "shop"}, "keep_environment": False},
            {"problems": [{"field": "script", "message": "m", "hint": "h"}], "interpreter": None},
            None,
        ),
        (
            lambda it: it.install({"name": "shop"}, keep_environment=True).environment_names,
            {"verb": "install-unit", "document": {"name": "shop"}, "keep_environment": True},
            {"unit": "d8-app-shop.service", "interpreter": "/usr/bin/node", "environment_names": ["A"]},
            ("A",),
        ),
        (lambda it: it.restore("shop"), {"verb": "restore-unit", "name": "shop"}, {"restored": True}, True),
        (lambda it: it.forget_previous("shop"), {"verb": "forget-previous", "name": "shop"}, {}, None),
        (lambda it: it.remove("shop"), {"verb": "remove-unit", "name": "shop"}, {"removed": False}, False),
        (
            lambda it: it.act(UnitVerb.RESET_FAILED, "shop").message,
            {"verb": "reset-failed", "name": "shop"},
            {"done": False, "message": "not loaded"},
            "not loaded",
        ),
        (
            lambda it: it.look("shop").file,
            {"verb": "look", "name": "shop"},
            {"file": "edited", "environment_names": [], "has_previous": False},
            UnitFileState.EDITED,
        ),
        (lambda it: it.installed(), {"verb": "installed"}, {"names": ["a", "b"]}, ("a", "b")),
        (lambda it: it.scan()[0].unit, {"verb": "scan"}, {"processes": [{**PROCESS, "unit": None}]}, None),
    ],
)
def test_each_call_is_one_request(
    helper: Helper,
    ask: Callable[[HelperPrivilege], object],
    request_fields: dict[str, Any],
    answer: dict[str, Any],
    expected: object,
) -> None:
    with helper.giving({"ok": True, **answer}) as privilege:
        assert ask(privilege) == expected
    assert helper.heard == [request_fields]


def test_a_refusal_keeps_its_fields(helper: Helper) -> None:
    problem = {"field": "user", "message": "not listed", "hint": "list it"}
    no = {"ok": False, "kind": "refused", "error": "can't", "hint": "so", "problems": [problem]}
    with helper.giving(no) as privilege, pytest.raises(OperationRefused) as refusal:
        privilege.install({"name": "shop"})
    answer = problem_of(refusal.value)
    assert (answer.status, answer.members) == (422, {"problems": [problem]})


@pytest.mark.parametrize("kind", ["busy", "failed"])
def test_what_is_no_refusal_may_be_asked_again(helper: Helper, kind: str) -> None:
    no = {"ok": False, "kind": kind, "error": "later", "hint": ""}
    with helper.giving(no) as privilege, pytest.raises(PrivilegeUnavailable) as failure:
        privilege.remove("shop")
    assert problem_of(failure.value).status == 503


def test_a_helper_with_too_many_callers_is_asked_again(helper: Helper) -> None:
    with helper.giving(None, None, {"ok": True, "names": []}) as privilege:
        assert privilege.installed() == ()
    assert helper.heard == [{"verb": "installed"}]


def test_a_helper_that_dies_is_not_asked_twice(helper: Helper) -> None:
    def read_and_die(listener: socket.socket) -> None:
        with listener.accept()[0] as caller:
            helper.heard.append(json.loads(caller.makefile("rb").readline()))

    helper.serve = read_and_die  # type: ignore[method-assign]
    with helper.giving() as privilege, pytest.raises(PrivilegeUnavailable):
        privilege.act(UnitVerb.RESTART, "shop")
    assert helper.heard == [{"verb": "restart", "name": "shop"}]


def test_without_a_helper_the_command_is_told(tmp_path: Path) -> None:
    seen: list[Permission] = []

    def report(helper: Permission, users: object, sudoers: object) -> PermissionReport:
        seen.append(helper)
        assert (users, sudoers) == ({}, {})
        return REPORT

    privilege = HelperPrivilege(HelperClient(tmp_path / "absent.sock"), report)
    with pytest.raises(PermissionMissing) as failure:
        privilege.installed()
    assert problem_of(failure.value).status == 403 and "d8-helper.socket" in failure.value.hint
    assert privilege.permissions() is REPORT and not seen[0].granted


def test_the_report_hears_what_the_helper_knows(helper: Helper) -> None:
    heard: list[object] = []

    def report(permission: Permission, users: Any, sudoers: Any) -> PermissionReport:
        heard.extend([permission.granted, users["users"], sudoers["files"]])
        return REPORT

    with helper.giving({"ok": True}, {"ok": True, "users": ["pi"]}, {"ok": True, "files": []}):
        assert HelperPrivilege(HelperClient(helper.path), report).permissions() is REPORT
    assert heard == [True, ["pi"], []]


def test_the_own_user_does_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "own_account", lambda: ANA)
    host = AppHost(tmp_path)
    own = OwnPrivilege(host.operations, lambda: REPORT)
    assert own.check(host.document()).problems == ()
    assert own.install(host.document(environment={"A": "1"})).environment_names == ("A",)
    assert own.act(UnitVerb.START, "shop").is_done
    assert own.look("shop").file is UnitFileState.UNTOUCHED and own.installed() == ("shop",)
    own.forget_previous("shop")
    assert own.restore("shop") is False
    host.problems = [FieldProblem("script", "is not there", "")]
    with pytest.raises(OperationRefused) as refusal:
        own.install(host.document())
    assert refusal.value.problems == ({"field": "script", "message": "is not there", "hint": ""},)
    host.units.refuses_reload = True
    with pytest.raises(PrivilegeUnavailable):
        own.remove("shop")
    host.units.refuses_reload = False
    assert own.remove("shop") is True and host.files() == set()


def test_each_scope_has_its_own(tmp_path: Path) -> None:
    def run(command: Sequence[str], timeout_seconds: float) -> CommandResult:
        return CommandResult(1, "", f"{command[0]} is not there, also not within {timeout_seconds:g} s")

    settings = load_settings(write_settings(tmp_path))
    system = replace(settings, scope=Scope.SYSTEM, helper_socket=tmp_path / "helper.sock")
    assert isinstance(privilege_for(system, run), HelperPrivilege)
    assert isinstance(privilege_for(replace(settings, scope=Scope.USER), run), OwnPrivilege)
    for scope in (Scope.CRON, Scope.NOHUP):
        nobody = privilege_for(replace(settings, scope=scope, persistence_command="sudo x"), run)
        assert isinstance(nobody, NoPrivilege)
        with pytest.raises(PermissionMissing) as failure:
            nobody.act(UnitVerb.START, "shop")
        assert failure.value.hint == "Run: sudo x"
        assert nobody.installed() == () and not nobody.permissions().is_ok
