"""One process for all units, no shell, and an error that says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from slave_agent.models import CommandResult
from slave_agent.systemd.errors import SystemdError
from slave_agent.systemd.states import UnitState, UnitVerb
from slave_agent.systemd.systemctl import Systemctl

MANY = (Path(__file__).parents[2] / "fixtures/systemd/show/debian12/many.txt").read_text()


class Scripted:
    """A runner that gives its answers in order and fails on anything unscripted."""

    def __init__(self, *answers: CommandResult) -> None:
        self.answers = list(answers)
        self.calls: list[list[str]] = []

    def __call__(self, command: Sequence[str], timeout_seconds: float) -> CommandResult:
        assert timeout_seconds > 0
        self.calls.append(list(command))
        return self.answers.pop(0)


def test_all_units_are_asked_for_at_once() -> None:
    run = Scripted(CommandResult(0, MANY, ""))
    units = [f"d8-app-{name}.service" for name in ("active", "inactive", "gone")]
    found = Systemctl(run).show(units)
    assert [found[unit].state for unit in units] == [UnitState.ACTIVE, UnitState.INACTIVE, UnitState.NOT_FOUND]
    assert len(run.calls) == 1
    assert run.calls[0][0] == "systemctl" and run.calls[0][-4:] == ["--", *units]


def test_a_unit_is_found_by_the_alias_that_was_asked_for() -> None:
    told = "Id=mariadb.service\nNames=mysql.service mariadb.service\nActiveState=active\n"
    found = Systemctl(Scripted(CommandResult(0, told, ""))).show(["mysql.service"])
    assert list(found) == ["mysql.service"] and found["mysql.service"].state is UnitState.ACTIVE


def test_nothing_is_asked_for_no_units() -> None:
    assert Systemctl(Scripted()).show([]) == {}


@pytest.mark.parametrize(
    "answer",
    [
        CommandResult(1, "", "Failed to connect to bus: No such file or directory\n"),
        CommandResult(None, "", "systemctl did not end within 15 s"),
        CommandResult(0, "", ""),
        CommandResult(0, "Id=other.service\nActiveState=active\n", ""),
    ],
)
def test_a_silent_manager_is_an_error(answer: CommandResult) -> None:
    with pytest.raises(SystemdError) as raised:
        Systemctl(Scripted(answer)).show(["a.service"])
    assert "a.service" in raised.value.message and raised.value.hint


@pytest.mark.parametrize("verb", UnitVerb)
def test_a_verb_is_one_command_and_its_failure_is_data(verb: UnitVerb) -> None:
    run = Scripted(CommandResult(5, "", "Unit a.service not found."))
    assert Systemctl(run).act(verb, "a.service").exit_code == 5
    assert run.calls[0][-3:] == [verb.value, "--", "a.service"]
    assert "--user" not in run.calls[0] and "--no-ask-password" in run.calls[0]


def test_a_users_manager_is_asked_with_user() -> None:
    run = Scripted(CommandResult(0, "", ""), CommandResult(0, "", ""))
    mine = Systemctl(run, is_user=True)
    mine.daemon_reload()
    assert mine.verify("/x/d8-app-a.service") == ()
    assert run.calls[0][:2] == ["systemctl", "--user"] and run.calls[1][:2] == ["systemd-analyze", "--user"]


def test_a_reload_that_fails_is_an_error() -> None:
    with pytest.raises(SystemdError, match="Access denied"):
        Systemctl(Scripted(CommandResult(1, "", "Access denied"))).daemon_reload()


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (CommandResult(0, "", ""), ()),
        (CommandResult(0, "", "other.service: Command /x is not executable\n"), ()),
        (CommandResult(0, "", "/t/a.service:3: Unknown key name\nother: x\n"), ("/t/a.service:3: Unknown key name",)),
        (CommandResult(1, "", "a.service: Failed\n"), ("a.service: Failed",)),
        (CommandResult(1, "", "Failed to load manager\n"), ("Failed to load manager",)),
        (CommandResult(None, "", ""), ("exit code None",)),
    ],
)
def test_verify_tells_what_is_the_units_own(answer: CommandResult, found: tuple[str, ...]) -> None:
    assert Systemctl(Scripted(answer)).verify("/t/a.service") == found


def test_the_exposure_is_asked_of_the_units_own_manager() -> None:
    run = Scripted(CommandResult(0, "→ Overall exposure level for a.service: 1.4 OK", ""), CommandResult(None, "", ""))
    systemctl = Systemctl(run, is_user=True)
    assert (systemctl.exposure("a.service"), systemctl.exposure("a.service")) == (1.4, None)
    assert run.calls[0] == ["systemd-analyze", "--user", "security", "--no-pager", "a.service"]
