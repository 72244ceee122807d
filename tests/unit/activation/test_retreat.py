"""The ways back, with a keeper in memory: who answers in the end, and what is written down on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from slave_agent.activation import rollback
from slave_agent.activation.charge import commit_in_charge
from slave_agent.activation.commands import Finished
from slave_agent.activation.confirm import confirm
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import point_link
from slave_agent.activation.layout import Layout
from slave_agent.activation.probe import Answer
from slave_agent.activation.record import Record, RecordStore
from slave_agent.activation.retreat import go_back, release_answers_again, return_to_bootstrap
from slave_agent.activation.rollback import roll_back
from slave_agent.activation.states import CredentialKind, Fallback, Mode, Phase, Scope, Speaker

OLD, NEW = "a" * 40, "b" * 40


@dataclass
class Host:
    """Answers as the release that `current` points to when the agent was started, unless that one is broken."""

    layout: Layout
    broken: set[str] = field(default_factory=set)
    answer: Answer = field(default_factory=lambda: Answer(Mode.NOBODY))
    calls: list[str] = field(default_factory=list)

    def start_agent(self) -> Finished:
        commit = self.layout.current.resolve().name
        self.calls.append(f"start {commit[0]}")
        works = commit not in self.broken
        self.answer = Answer(Mode.AGENT, commit) if works else Answer(Mode.NOBODY)
        return Finished((), 0 if works else 1, "", "" if works else "it ended")

    def start_bootstrap(self) -> Finished:
        self.calls.append("bootstrap")
        self.answer = Answer(Mode.BOOTSTRAP)
        return Finished((), 0, "", "")

    def stop_agent(self) -> None:
        self.answer = Answer(Mode.NOBODY)

    def close_port(self) -> None:
        self.calls.append("close")
        self.answer = Answer(Mode.NOBODY)

    def boot_into(self, server: Mode) -> None:
        self.calls.append(f"boot {server.value}")

    def has_agent(self) -> bool:
        return self.answer.mode is Mode.AGENT

    def last_lines(self, speaker: Speaker = Speaker.AGENT) -> list[str]:
        return ["its last words"]

    def stop_bootstrap(self) -> None: ...
    def open_port(self) -> None: ...
    def arm_guard(self) -> None: ...
    def disarm_guard(self) -> None: ...


@dataclass
class Charge:
    """What a release's own code answers when it is to take charge: it does, unless it is broken."""

    layout: Layout
    broken: set[str] = field(default_factory=set)

    def run(self, argv: list[str], **_: object) -> Finished:
        assert argv[3:] == ["take-charge"]
        commit = Path(argv[2]).parent.name
        if commit in self.broken:
            return Finished((), 1, json.dumps({"error": "its guard is broken"}), "")
        in_charge(self.layout, commit)
        return Finished((), 0, json.dumps({"in_charge": commit}), "")


def in_charge(layout: Layout, commit: str) -> None:
    copy = layout.opt / "controls" / f"{commit}-1.000"
    copy.mkdir(parents=True, exist_ok=True)
    (copy / "d8-activate").touch()
    point_link(layout.control, copy)


class OnPaper(Activation):
    """Looks at the host above instead of at a port."""

    def look(self, record: Record, timeout_seconds: float = 3.0) -> Answer:
        found = self.keeper.answer  # type: ignore[attr-defined]
        assert isinstance(found, Answer)
        return found


@pytest.fixture
def activation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OnPaper:
    opt = tmp_path / "opt"
    layout = Layout(Scope.USER, opt, tmp_path / "etc", tmp_path / "var", tmp_path / "units", tmp_path / "run")
    for commit in (OLD, NEW):
        (layout.release(commit)).mkdir(parents=True)
        (layout.release(commit) / "agent").touch()
    layout.state.mkdir()
    point_link(layout.current, layout.release(NEW))
    in_charge(layout, OLD)
    monkeypatch.setattr("slave_agent.activation.swap.stop_plain_bootstrap", lambda *_: None)
    monkeypatch.setattr("slave_agent.activation.retreat.PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("slave_agent.activation.swap.AGENT_PATIENCE_SECONDS", 0.0)
    store = RecordStore(layout.record)
    store.save(
        Record(
            phase=Phase.HANDED_OVER,
            scope=Scope.USER,
            commit=NEW,
            slave_id="slave-1",
            port=7600,
            bind="0.0.0.0",
            tls=True,
            confirm_timeout_seconds=60,
            step_delay_seconds=0,
            bootstrap_user="pi",
            bootstrap_credential=CredentialKind.RESCUE,
            confirmed_commit=OLD,
            falls_back_to=Fallback.RELEASE,
        )
    )
    return OnPaper(layout, store, Host(layout), Charge(layout), lambda _seconds: None)  # type: ignore[arg-type]


def host_of(activation: Activation) -> Host:
    assert isinstance(activation.keeper, Host)
    return activation.keeper


def charge_of(activation: Activation) -> Charge:
    assert isinstance(activation.runner, Charge)
    return activation.runner


def change(activation: Activation, **changes: object) -> None:
    activation.store.save(replace(activation.store.load(), **changes))  # type: ignore[arg-type]


def test_the_release_before_answers_again_and_the_new_one_is_gone(activation: OnPaper) -> None:
    assert go_back(activation, [Phase.HANDED_OVER], "not confirmed")
    record = activation.store.load()
    assert (record.phase, record.commit, record.reason) == (Phase.CONFIRMED, OLD, "not confirmed")
    assert host_of(activation).calls == ["start a", "boot agent"]
    assert activation.layout.current.resolve().name == OLD
    assert [path.name for path in (activation.layout.opt / "releases").iterdir()] == [OLD]


def test_a_release_that_answers_already_is_not_disturbed(activation: OnPaper) -> None:
    change(activation, phase=Phase.STAGED)
    point_link(activation.layout.current, activation.layout.release(OLD))
    host_of(activation).answer = Answer(Mode.AGENT, OLD)
    assert go_back(activation, [Phase.STAGED], "an update came to nothing")
    assert activation.store.load().phase is Phase.CONFIRMED
    assert host_of(activation).calls == ["boot agent"]


def test_a_release_takes_charge_when_it_is_confirmed_and_not_before(activation: OnPaper) -> None:
    change(activation, bootstrap_user=None)
    assert commit_in_charge(activation.layout) == OLD
    assert confirm(activation) == {"confirmed": True, "commit": NEW}
    assert commit_in_charge(activation.layout) == NEW


def test_one_that_can_not_take_charge_goes(activation: OnPaper) -> None:
    charge_of(activation).broken = {NEW}
    with pytest.raises(ActivationError, match="can't take charge: its guard is broken"):
        confirm(activation)
    record = activation.store.load()
    assert (record.phase, record.commit) == (Phase.CONFIRMED, OLD) and "guard is broken" in str(record.reason)
    assert commit_in_charge(activation.layout) == OLD
    assert host_of(activation).calls == ["start a", "boot agent"]


def test_charge_is_given_back_with_the_release(activation: OnPaper) -> None:
    in_charge(activation.layout, NEW)  # killed after it took charge and before that was written down
    assert go_back(activation, [Phase.HANDED_OVER], "not confirmed")
    assert commit_in_charge(activation.layout) == OLD


def test_a_way_back_does_not_wait_for_charge(activation: OnPaper) -> None:
    in_charge(activation.layout, NEW)
    charge_of(activation).broken = {OLD}
    assert go_back(activation, [Phase.HANDED_OVER], "not confirmed")
    record = activation.store.load()
    assert (record.phase, record.commit) == (Phase.CONFIRMED, OLD)
    assert str(record.reason).startswith("not confirmed; The release can't take charge")


def test_where_that_release_is_broken_too_the_bootstrap_comes(activation: OnPaper) -> None:
    host_of(activation).broken = {OLD}
    assert go_back(activation, [Phase.HANDED_OVER], "not confirmed")
    record = activation.store.load()
    assert (record.phase, record.falls_back_to) == (Phase.RETURNED, Fallback.BOOTSTRAP)
    assert host_of(activation).calls == ["start a", "boot bootstrap", "bootstrap"]
    assert "does not answer either" in str(record.reason)


def test_one_that_hangs_while_it_starts_is_not_tried_for_ever(activation: OnPaper) -> None:
    change(activation, phase=Phase.ROLLED_BACK, failed_starts=2)  # killed twice while it waited for the start
    assert go_back(activation, [Phase.ROLLED_BACK], "again")
    assert host_of(activation).calls == ["boot bootstrap", "bootstrap"]


def test_without_a_bootstrap_it_is_tried_again_and_again(activation: OnPaper) -> None:
    change(activation, bootstrap_user=None, failed_starts=5)
    host_of(activation).broken = {OLD}
    assert go_back(activation, [Phase.HANDED_OVER], "not confirmed")
    assert activation.store.load().phase is Phase.ROLLED_BACK  # the guard comes again
    host_of(activation).broken = set()
    assert go_back(activation, [Phase.ROLLED_BACK], "again")
    assert activation.store.load().phase is Phase.CONFIRMED


def test_to_nothing_closes_the_port(activation: OnPaper) -> None:
    change(activation, falls_back_to=Fallback.NOTHING, confirmed_commit=None, bootstrap_user=None)
    assert go_back(activation, [Phase.HANDED_OVER], "not confirmed")
    assert host_of(activation).calls == ["close"]
    assert activation.store.load().phase is Phase.ROLLED_BACK


def test_who_comes_second_does_nothing(activation: OnPaper) -> None:
    assert not go_back(activation, [Phase.STAGED], "too late")
    assert not release_answers_again(activation, [Phase.STAGED], "too late")
    assert host_of(activation).calls == []


def test_without_a_bootstrap_there_is_none_to_return_to(activation: OnPaper) -> None:
    change(activation, bootstrap_user=None)
    with pytest.raises(ActivationError, match="installed without a master"):
        return_to_bootstrap(activation)


def test_credentials_can_be_confirmed_while_a_release_waits_beside_the_running_one(activation: OnPaper) -> None:
    change(activation, phase=Phase.STAGED)
    assert confirm(activation) == {"confirmed": True, "commit": OLD}
    assert activation.store.load().phase is Phase.STAGED


class TestRollback:
    @pytest.fixture(autouse=True)
    def is_confirmed(self, activation: OnPaper, monkeypatch: pytest.MonkeyPatch) -> None:
        change(activation, phase=Phase.CONFIRMED, confirmed_commit=NEW, previous_commit=OLD)
        host_of(activation).answer = Answer(Mode.AGENT, NEW)

        def is_confirmed(same: Activation) -> None:
            change(same, phase=Phase.CONFIRMED, confirmed_commit=OLD, previous_commit=NEW)

        monkeypatch.setattr(rollback, "confirm", is_confirmed)

    def test_the_release_before_is_confirmed_by_its_answer(self, activation: OnPaper) -> None:
        assert roll_back(activation) == {"rolled_back": True, "mode": "agent", "commit": OLD}
        assert host_of(activation).calls == ["start a"]

    def test_one_that_does_not_start_gives_way_to_the_present_one(self, activation: OnPaper) -> None:
        host_of(activation).broken = {OLD}
        with pytest.raises(ActivationError, match="earlier release does not work"):
            roll_back(activation)
        record = activation.store.load()
        assert (record.phase, record.commit) == (Phase.CONFIRMED, NEW)
        assert host_of(activation).calls == ["start a", "start b", "boot agent"]

    def test_without_one_nothing_is_done(self, activation: OnPaper) -> None:
        change(activation, previous_commit=None)
        with pytest.raises(ActivationError, match="no earlier release"):
            roll_back(activation)
        assert host_of(activation).calls == []
