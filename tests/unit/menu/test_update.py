"""Options 6 and 15 and their commands: what is asked, what is begun, what stands on the screen."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from d8.actions.status import SlaveState, SlaveStatus
from d8.actions.update import UpdateOutcome, UpdateState
from d8.actions.workplace import Workplace
from d8.cli import update_commands
from d8.cli.run import Run
from d8.errors import ExitCode, UsageError
from d8.menu.conversation import BackToMenu, Conversation
from d8.menu.screens import rollback, update
from d8.menu.views.screen import Screen, make_console
from d8.menu.views.updates import update_question
from d8.messages import Message, message
from d8.models import Slave
from tests.support.fakes import COMMIT, ScriptedOperator, make_settings, make_slave

NEW = "f" * 40


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    made = Workplace(make_settings(tmp_path))
    yield made
    made.close()


class Stage:
    """A screen, an operator with answers, and updates that are only noted."""

    def __init__(self, workplace: Workplace, monkeypatch: pytest.MonkeyPatch, *states: SlaveState) -> None:
        self.workplace = workplace
        self.begun: list[list[str]] = []
        self.slaves = [make_slave(f"192.168.4.{index}", machine_id=str(index) * 32) for index in range(len(states))]
        for slave in self.slaves:
            workplace.registry.save_slave(slave)
        statuses = [
            SlaveStatus(slave, state, 0.01, NEW if state is SlaveState.OK else COMMIT)
            for slave, state in zip(self.slaves, states, strict=True)
        ]
        monkeypatch.setattr(update, "fleet_status", lambda *_: statuses)
        monkeypatch.setattr("d8.actions.status.fleet_status", lambda *_: statuses)
        for module in ("d8.menu.screens.update", "d8.actions.update"):
            monkeypatch.setattr(f"{module}.update_slaves", self._update)

    def _update(
        self, _workplace: Workplace, slaves: Sequence[Slave], tell: object, *_limits: int
    ) -> list[UpdateOutcome]:
        self.begun.append([slave.slave_id for slave in slaves])
        assert callable(tell)
        tell(slaves[0], message("sending release {commit}", commit=NEW[:10]))
        bad = UpdateOutcome(slaves[-1], UpdateState.FAILED, None, Message("it does not start"), Message("Look at it."))
        good = [UpdateOutcome(slave, UpdateState.UPDATED, NEW) for slave in slaves[:-1]]
        return [*good, bad]

    def play(self, module: object, *answers: object) -> str:
        console = make_console(environ={"NO_COLOR": "1"})
        console.file = io.StringIO()
        conversation = Conversation(self.workplace, Screen(str, console), ScriptedOperator(list(answers)))
        module.run(conversation)  # type: ignore[attr-defined]
        assert isinstance(console.file, io.StringIO)
        return console.file.getvalue()


BEHIND, OK = SlaveState.OTHER_COMMIT, SlaveState.OK


def test_all_that_are_behind_are_updated_after_a_yes(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(workplace, monkeypatch, BEHIND, OK, BEHIND)
    text = stage.play(update, 1, True)
    assert stage.begun == [["slave-192-168-4-0", "slave-192-168-4-2"]]
    assert "sending release ffffffffff" in text and "it does not start" in text and "Look at it." in text


def test_one_of_them_alone(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(workplace, monkeypatch, BEHIND, OK, BEHIND)
    stage.play(update, 3, True)
    assert stage.begun == [["slave-192-168-4-2"]]


def test_the_only_one_is_offered_by_its_name(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(workplace, monkeypatch, OK, BEHIND)
    with pytest.raises(AssertionError, match="2 is not on offer"):
        stage.play(update, 2, True)
    stage.play(update, 1, True)
    assert stage.begun == [["slave-192-168-4-1"]]


def test_a_no_and_the_way_back_change_nothing(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(workplace, monkeypatch, BEHIND)
    assert "Nothing was done." in stage.play(update, 1, False)
    with pytest.raises(BackToMenu):
        stage.play(update, 0)
    assert stage.begun == []


def test_where_all_are_the_same_nothing_is_asked(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "runs the master's commit" in Stage(workplace, monkeypatch, OK, OK).play(update)


def test_where_nobody_answers_nothing_is_praised(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "runs the master's commit" not in Stage(workplace, monkeypatch, SlaveState.UNREACHABLE).play(update)


def test_without_slaves_both_say_so(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(workplace, monkeypatch)
    assert stage.play(update) and stage.play(rollback)


def test_a_slave_goes_back_after_a_yes(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(workplace, monkeypatch, OK, OK)
    asked: list[str] = []

    def roll_back(_workplace: Workplace, slave: Slave, _tell: object) -> UpdateOutcome:
        asked.append(slave.slave_id)
        return UpdateOutcome(slave, UpdateState.UPDATED, "a" * 40)

    monkeypatch.setattr(rollback, "roll_back_slave", roll_back)
    assert "aaaaaaaaaa" in stage.play(rollback, 2, True)
    assert "Nothing was done." in stage.play(rollback, 1, False)
    assert asked == ["slave-192-168-4-1"]


# --- the command ---


@pytest.fixture
def run(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> Run:
    made = Run(wants_json=True, is_yes=True)
    monkeypatch.setitem(made.__dict__, "workplace", workplace)
    monkeypatch.setitem(made.__dict__, "settings", workplace.settings)
    return made


def call(run: Run, *words: str) -> ExitCode:
    return ExitCode(update_commands.update.main(list(words), standalone_mode=False, obj=run))


def test_a_slave_that_is_named_twice_is_updated_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(run.workplace, monkeypatch, BEHIND, BEHIND)
    assert call(run, "192.168.4.1", "slave-192-168-4-1", "192.168.4.0") is ExitCode.PARTLY_DONE
    assert stage.begun == [["slave-192-168-4-1", "slave-192-168-4-0"]]
    document = json.loads(capsys.readouterr().out)
    assert [one["state"] for one in document["slaves"]] == ["updated", "failed"]
    assert document["slaves"][1]["error"] == "it does not start"


@pytest.mark.parametrize("words", [(), ("--all", "192.168.4.0")])
def test_all_or_names(run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    Stage(run.workplace, monkeypatch, BEHIND)
    with pytest.raises(UsageError):
        call(run, *words)


def test_one_slave_is_asked_for_by_its_name_and_several_by_the_canary() -> None:
    slaves = [make_slave(f"192.168.4.{index}", machine_id=str(index) * 32) for index in range(3)]
    assert str(update_question(slaves[:1])) == f"Update {slaves[0].slave_id}?"
    assert str(update_question(slaves)) == f"Update 3 slaves, {slaves[0].slave_id} first?"
