from __future__ import annotations

import errno
from pathlib import Path

import pytest

from slave_agent.errors import PrivilegeUnavailable
from slave_agent.orchestrator import app_store
from slave_agent.orchestrator.app_status import RECORD_LOST, REMOVED_BY_HAND
from slave_agent.orchestrator.editor import EditOrder
from slave_agent.orchestrator.errors import (
    AgentStops,
    DidNotStayUp,
    NameTaken,
    NoSuchApp,
    RecordLost,
    TooSoon,
    WrongFields,
)
from slave_agent.privilege import UnitOutcome
from slave_agent.states import AppPhase
from slave_agent.systemd.service_config import FieldProblem
from slave_agent.systemd.states import UnitState, UnitVerb
from tests.support.machine_in_memory import AgentKilled
from tests.unit.orchestrator.conftest import DOCUMENT, Slave

CRASHING = DOCUMENT | {"script": "/srv/shop/broken.js"}
STEPS_OF_REGISTER = ("install", "enable", "start")


def crash(slave: Slave) -> None:
    slave.machine.fates["/srv/shop/broken.js"] = 3


# --- register ---


def test_a_registered_app_runs_begins_at_boot_and_is_written_down(slave: Slave) -> None:
    status = slave.apps.register(DOCUMENT)
    assert (status["name"], status["state"], status["enabled"], status["pid"]) == ("shop", "active", True, 101)
    assert status["problem"] is None
    record = slave.store.find("shop")
    assert record is not None
    assert (record.phase, record.environment_names) == (AppPhase.REGISTERED, ("PORT", "TOKEN"))
    assert "geheim" not in str(record)
    assert slave.machine.asked == ["check shop", "install shop", "enable shop", "start shop", "forget shop"]


def test_every_problem_of_grammar_and_host_is_in_one_answer_and_nothing_was_written(slave: Slave) -> None:
    slave.machine.host_problems = [FieldProblem("script", "it is not there"), FieldProblem("name", "unnamed is odd")]
    with pytest.raises(WrongFields) as refused:
        slave.apps.register(DOCUMENT | {"name": "Bad Name", "port": 70000, "colour": "red"})
    assert {problem.field for problem in refused.value.problems} == {"name", "port", "colour", "script"}
    assert [problem.message for problem in refused.value.problems if problem.field == "name"] != ["unnamed is odd"]
    assert slave.store.names() == [] and slave.machine.units == {}


def test_an_app_that_does_not_stay_up_is_gone_and_says_why(slave: Slave) -> None:
    crash(slave)
    with pytest.raises(DidNotStayUp, match="exit code 3") as failed:
        slave.apps.register(CRASHING)
    assert failed.value.failure.as_json() == {
        "result": "exit-code", "exit_code": 3, "signal": None, "restarts": 0, "log": ["listening", "boom"],
    }  # fmt: skip
    assert slave.store.names() == [] and slave.machine.units == {}


def test_the_time_to_stay_up_counts_once_an_app_listens_on_its_port(slave: Slave) -> None:
    slave.listens_at = slave.clock.seconds + 10
    began = slave.clock.seconds
    slave.apps.register(DOCUMENT | {"port": 3000})
    assert 13 <= slave.clock.seconds - began < 14.1


def test_an_app_that_never_listens_on_its_port_but_stays_up_is_registered(slave: Slave) -> None:
    slave.listens_at = slave.clock.seconds + 1000
    began = slave.clock.seconds
    assert slave.apps.register(DOCUMENT | {"port": 3000})["state"] == "active"
    assert slave.clock.seconds - began < 25


def test_a_name_is_given_once(registered: Slave) -> None:
    with pytest.raises(NameTaken, match="shop already"):
        registered.apps.register(DOCUMENT)
    assert "install shop" not in registered.machine.asked


def test_a_unit_that_is_not_written_down_is_not_overwritten_and_can_be_removed(registered: Slave) -> None:
    registered.store.delete("shop")
    with pytest.raises(NameTaken, match="not written down"):
        registered.apps.register(DOCUMENT)
    registered.apps.unregister("shop")
    assert registered.machine.units == {}


@pytest.mark.parametrize("step", STEPS_OF_REGISTER)
def test_an_agent_killed_while_registering_finds_it_and_nothing_is_left(slave: Slave, step: str) -> None:
    slave.machine.dies_at = step
    with pytest.raises(AgentKilled):
        slave.apps.register(DOCUMENT)
    slave.again()
    assert slave.store.names() == ["shop"]
    slave.recovery.run()
    assert slave.store.names() == [] and slave.machine.units == {}
    slave.wait()
    assert slave.apps.register(DOCUMENT)["state"] == "active"


def test_an_agent_that_is_told_to_stop_leaves_it_to_its_next_start(slave: Slave) -> None:
    slave.is_stopping = True
    with pytest.raises(AgentStops):
        slave.apps.register(DOCUMENT)
    assert slave.apps.statuses()[0]["problem"] == "it is being registered"
    slave.is_stopping = False
    slave.again()
    slave.recovery.run()
    assert slave.machine.units == {}


def test_what_could_not_be_undone_is_undone_by_the_next_operation(slave: Slave) -> None:
    slave.machine.dies_at = "start"
    with pytest.raises(AgentKilled):
        slave.apps.register(DOCUMENT)
    slave.again()
    with pytest.raises(NoSuchApp):
        slave.apps.start("shop")
    assert slave.machine.units == {}


# --- start, stop, restart, enable, disable ---


def test_start_stop_and_restart_change_the_process(registered: Slave) -> None:
    first = registered.apps.status("shop")["pid"]
    second = registered.apps.restart("shop")["pid"]
    assert second not in (None, first)
    registered.wait()
    stopped = registered.apps.stop("shop")
    assert (stopped["pid"], stopped["state"]) == (None, "inactive")
    registered.wait()
    assert registered.apps.start("shop")["pid"] not in (None, first, second)


def test_what_runs_already_is_left_alone_by_start(registered: Slave) -> None:
    pid = registered.apps.status("shop")["pid"]
    assert registered.apps.start("shop")["pid"] == pid
    assert "start shop" not in registered.machine.asked


def test_boot_is_switched(registered: Slave) -> None:
    assert registered.apps.disable("shop")["enabled"] is False
    registered.wait()
    assert registered.apps.enable("shop")["enabled"] is True


def test_one_operation_a_second(registered: Slave) -> None:
    registered.apps.stop("shop")
    with pytest.raises(TooSoon) as refused:
        registered.apps.start("shop")
    assert 0 < refused.value.seconds <= 1
    registered.wait()
    registered.apps.start("shop")


@pytest.mark.parametrize("name", ["nobody", "Bad Name", "../shop", "*", "", "shop\n"])
def test_an_unknown_app_is_told_before_it_counts(registered: Slave, name: str) -> None:
    for operate in (registered.apps.start, registered.apps.stop, registered.apps.unregister, registered.apps.status):
        with pytest.raises(NoSuchApp):
            operate(name)
    assert registered.machine.asked == []


def test_a_start_that_fails_says_why_and_keeps_the_app(registered: Slave) -> None:
    registered.apps.stop("shop")
    registered.wait()
    registered.machine.fates["/srv/shop/server.js"] = 7
    with pytest.raises(DidNotStayUp, match="exit code 7"):
        registered.apps.start("shop")
    assert registered.apps.status("shop")["state"] == "failed"


def test_a_unit_removed_by_hand_is_reported_and_written_again_by_the_next_operation(registered: Slave) -> None:
    registered.machine.remove_by_hand("shop", is_running=False)
    seen = registered.apps.status("shop")
    assert seen["state"] == "not-found" and "removed by hand" in seen["problem"]
    assert registered.apps.restart("shop")["state"] == "active"
    assert registered.apps.status("shop")["problem"] is None
    assert registered.machine.units["shop"].environment == DOCUMENT["environment"]


def test_a_unit_removed_by_hand_while_its_app_runs_is_reported_and_stop_and_disable_write_no_unit(
    registered: Slave,
) -> None:
    registered.machine.remove_by_hand("shop")
    seen = registered.apps.status("shop")
    assert (seen["state"], seen["problem"]) == ("active", REMOVED_BY_HAND)
    assert registered.apps.disable("shop")["enabled"] is False
    registered.wait()
    stopped = registered.apps.stop("shop")
    assert (stopped["pid"], stopped["state"]) == (None, "not-found")
    assert "install shop" not in registered.machine.asked
    registered.wait()
    assert registered.apps.start("shop")["state"] == "active"
    assert registered.apps.status("shop")["problem"] is None


def test_an_environment_removed_by_hand_is_asked_for_and_not_left_out(registered: Slave) -> None:
    registered.machine.remove_by_hand("shop", with_environment=True)
    for operate in (registered.apps.start, registered.apps.restart, registered.apps.enable):
        with pytest.raises(WrongFields, match="PORT, TOKEN") as refused:
            operate("shop")
        assert [problem.field for problem in refused.value.problems] == ["environment"]
        registered.wait()
    with pytest.raises(WrongFields, match="PORT"):
        registered.apps.edit("shop", EditOrder({"environment": {"TOKEN": "neu"}}))
    assert "install shop" not in registered.machine.asked
    registered.apps.edit("shop", EditOrder({"environment": {"TOKEN": "neu", "PORT": None}}))
    assert registered.machine.units["shop"].environment == {"TOKEN": "neu"}
    assert registered.record().environment_names == ("TOKEN",)


def test_an_app_whose_environment_was_removed_by_hand_is_left_running_and_its_values_are_asked_for(
    registered: Slave,
) -> None:
    pid = registered.apps.status("shop")["pid"]
    registered.machine.units["shop"].environment.clear()
    with pytest.raises(WrongFields, match="PORT, TOKEN"):
        registered.apps.restart("shop")
    assert registered.apps.status("shop")["pid"] == pid
    registered.wait()
    registered.apps.edit("shop", EditOrder({"environment": {"TOKEN": "neu", "PORT": None}}))
    registered.wait()
    assert registered.apps.restart("shop")["pid"] not in (None, pid)


def test_a_unit_removed_by_hand_is_written_again_by_a_change_and_begins_at_boot(registered: Slave) -> None:
    registered.machine.remove_by_hand("shop")
    status, _ = registered.apps.edit("shop", EditOrder({"tasks": 50}))
    assert (status["problem"], status["enabled"]) == (None, True)


def test_a_silent_helper_is_told_and_the_record_stays(registered: Slave) -> None:
    registered.machine.is_silent = True
    with pytest.raises(PrivilegeUnavailable):
        registered.apps.restart("shop")
    assert registered.store.names() == ["shop"]


# --- list and remove ---


def test_a_list_asks_systemd_once_and_an_empty_one_not_at_all(slave: Slave) -> None:
    assert slave.apps.statuses() == [] and slave.machine.shows == 0
    for number in range(30):
        slave.apps.register(DOCUMENT | {"name": f"app-{number}"})
    slave.machine.shows = 0
    assert len(slave.apps.statuses()) == 30
    assert slave.machine.shows == 1


def test_a_removed_app_leaves_nothing(registered: Slave) -> None:
    registered.apps.unregister("shop")
    assert registered.store.names() == [] and registered.machine.units == {}
    with pytest.raises(NoSuchApp):
        registered.apps.unregister("shop")


def test_a_killed_removal_is_finished(registered: Slave) -> None:
    registered.machine.dies_at = "remove"
    with pytest.raises(AgentKilled):
        registered.apps.unregister("shop")
    registered.again()
    registered.recovery.run()
    assert registered.store.names() == [] and registered.machine.units == {}


@pytest.mark.parametrize("fault", ["is_silent", "refuses_removal"])
def test_a_removal_that_has_not_begun_leaves_the_app_as_it_was(registered: Slave, fault: str) -> None:
    setattr(registered.machine, fault, True)
    with pytest.raises(PrivilegeUnavailable):
        registered.apps.unregister("shop")
    setattr(registered.machine, fault, False)
    assert registered.record().phase is AppPhase.REGISTERED
    registered.recovery.run()
    registered.wait()
    assert registered.apps.restart("shop")["state"] == "active"


def test_a_removal_that_failed_half_way_is_finished_without_anybody_asking(registered: Slave) -> None:
    registered.machine.breaks_removal = True
    with pytest.raises(PrivilegeUnavailable):
        registered.apps.unregister("shop")
    assert registered.apps.status("shop")["problem"] == "it is being removed"
    registered.recovery.run()
    assert registered.store.names() == ["shop"]
    registered.machine.breaks_removal = False
    registered.recovery.run()
    assert registered.store.names() == [] and registered.machine.units == {}


def test_what_somebody_works_on_is_not_settled(registered: Slave) -> None:
    registered.store.write(registered.record().in_phase(AppPhase.REMOVING))
    with registered.turns.turn("shop"):
        registered.recovery.run()
    assert registered.store.names() == ["shop"]
    registered.recovery.run()
    assert registered.store.names() == []


def test_why_an_app_can_not_be_settled_is_said_once(registered: Slave, caplog: pytest.LogCaptureFixture) -> None:
    registered.store.write(registered.record().in_phase(AppPhase.REMOVING))
    registered.machine.refuses_removal = True
    registered.recovery.run()
    registered.recovery.run()
    assert len([one for one in caplog.records if "can't be settled yet: no space left" in one.message]) == 1


def test_an_app_is_removed_though_the_disk_of_its_record_is_full(
    registered: Slave, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(app_store, "write_atomically", full)
    registered.apps.unregister("shop")
    assert registered.store.names() == [] and registered.machine.units == {}


def test_an_app_is_stopped_though_its_last_change_can_not_be_settled(registered: Slave) -> None:
    registered.store.write(registered.record().in_phase(AppPhase.REMOVING))
    registered.machine.refuses_removal = True
    with pytest.raises(PrivilegeUnavailable):
        registered.apps.restart("shop")
    registered.wait()
    assert registered.apps.stop("shop")["state"] == "inactive"
    registered.wait()
    assert registered.apps.disable("shop")["enabled"] is False


# --- edit ---


def test_a_change_is_told_installed_and_waits_for_a_restart(registered: Slave) -> None:
    status, edited = registered.apps.edit("shop", EditOrder({"tasks": 50, "environment": {"PORT": "4000"}}))
    assert [change.field for change in edited.changes] == ["tasks", "environment.PORT"]
    assert (edited.is_restarted, edited.needs_restart) == (False, True)
    assert status["state"] == "active"
    assert registered.machine.units["shop"].environment == {"TOKEN": "geheim", "PORT": "4000"}
    assert registered.record().document["tasks"] == 50


def test_a_change_restarts_on_request(registered: Slave) -> None:
    pid = registered.apps.status("shop")["pid"]
    status, edited = registered.apps.edit("shop", EditOrder({"environment": {"TOKEN": None}}, is_restart_wanted=True))
    assert edited.is_restarted and not edited.needs_restart and status["pid"] != pid
    assert registered.record().environment_names == ("PORT",)


def test_nothing_of_what_was_before_is_kept_once_it_is_good(slave: Slave) -> None:
    slave.apps.register(DOCUMENT)
    assert slave.machine.previous == {}
    for restarts in (True, False):
        slave.wait()
        slave.apps.edit("shop", EditOrder({"environment": {"TOKEN": "neu"}}, is_restart_wanted=restarts))
        assert slave.machine.previous == {}


def test_a_change_is_good_whether_or_not_what_was_before_can_be_forgotten(
    registered: Slave, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget, answers = registered.machine.forget_previous, iter([False, True])

    def forget_once(name: str) -> None:
        if next(answers):
            raise PrivilegeUnavailable("root's helper does not answer", "Try again.")
        forget(name)

    monkeypatch.setattr(registered.machine, "forget_previous", forget_once)
    registered.apps.edit("shop", EditOrder({"tasks": 50}))
    assert registered.record().document["tasks"] == 50


@pytest.mark.parametrize("is_restart_wanted", [False, True])
def test_an_agent_killed_in_a_change_restarts_only_for_a_change_that_does(
    registered: Slave, monkeypatch: pytest.MonkeyPatch, is_restart_wanted: bool
) -> None:
    pid = registered.apps.status("shop")["pid"]
    install = registered.machine.install

    def install_and_die(document: dict, keep_environment: bool = False) -> None:
        install(document, keep_environment)
        registered.machine.is_dead = True
        raise AgentKilled("install")

    with monkeypatch.context() as patched, pytest.raises(AgentKilled):
        patched.setattr(registered.machine, "install", install_and_die)
        registered.apps.edit("shop", EditOrder({"tasks": 50}, is_restart_wanted))
    registered.again()
    registered.recovery.run()
    assert registered.record().document["tasks"] is None
    assert registered.machine.units["shop"].document.get("tasks") is None
    assert (registered.apps.status("shop")["pid"] == pid) is not is_restart_wanted


def test_a_dry_run_changes_nothing(registered: Slave) -> None:
    _, edited = registered.apps.edit("shop", EditOrder({"tasks": 50}, is_dry_run=True))
    assert [change.field for change in edited.changes] == ["tasks"] and edited.needs_restart
    assert registered.machine.asked == ["check shop"]
    registered.apps.stop("shop")  # a dry run is no operation


def test_a_change_that_does_not_stay_up_goes_back_by_itself(registered: Slave) -> None:
    crash(registered)
    with pytest.raises(DidNotStayUp) as failed:
        registered.apps.edit("shop", EditOrder({"script": "/srv/shop/broken.js"}, is_restart_wanted=True))
    assert failed.value.restored is True
    assert registered.record().document["script"] == "/srv/shop/server.js"
    assert registered.machine.units["shop"].document["script"] == "/srv/shop/server.js"
    assert registered.apps.status("shop")["state"] == "active"


def test_a_change_whose_restart_nobody_answers_for_goes_back_with_its_process(
    registered: Slave, monkeypatch: pytest.MonkeyPatch
) -> None:
    act, restarted_with = registered.machine.act, []

    def act_and_lose_the_first_answer(verb: UnitVerb, name: str) -> UnitOutcome:
        outcome = act(verb, name)
        if verb is UnitVerb.RESTART:
            restarted_with.append(registered.machine.units[name].document.get("tasks"))
            if len(restarted_with) == 1:
                raise PrivilegeUnavailable("root's helper gave no answer", "Try again.")
        return outcome

    monkeypatch.setattr(registered.machine, "act", act_and_lose_the_first_answer)
    with pytest.raises(PrivilegeUnavailable):
        registered.apps.edit("shop", EditOrder({"tasks": 50}, is_restart_wanted=True))
    assert restarted_with == [50, None], "the process, too, is of the former version"
    assert registered.record().document["tasks"] is None
    assert registered.apps.status("shop")["state"] == "active"


def test_an_app_that_rested_rests_again_after_a_change_that_failed(registered: Slave) -> None:
    registered.apps.stop("shop")
    registered.wait()
    crash(registered)
    with pytest.raises(DidNotStayUp) as failed:
        registered.apps.edit("shop", EditOrder({"script": "/srv/shop/broken.js"}, is_restart_wanted=True))
    assert failed.value.restored is True
    assert registered.apps.status("shop")["state"] == "inactive"


@pytest.mark.parametrize(
    ("fields", "wrong"), [({"name": "other"}, "name"), ({"port": 0}, "port"), ({"environment": [1]}, "environment")]
)
def test_a_change_that_is_not_possible_is_refused(registered: Slave, fields: dict, wrong: str) -> None:
    with pytest.raises(WrongFields) as refused:
        registered.apps.edit("shop", EditOrder(fields))
    assert [problem.field for problem in refused.value.problems] == [wrong]
    assert "install shop" not in registered.machine.asked


@pytest.mark.parametrize("step", ["install", "restart", "forget"])
def test_an_agent_killed_while_changing_goes_back(registered: Slave, step: str) -> None:
    registered.machine.dies_at = step
    with pytest.raises(AgentKilled):
        registered.apps.edit("shop", EditOrder({"tasks": 50}, is_restart_wanted=True))
    registered.again()
    registered.recovery.run()
    record = registered.record()
    assert record.phase is AppPhase.REGISTERED
    assert record.document["tasks"] is None and record.environment_names == ("PORT", "TOKEN")
    assert registered.machine.units["shop"].document.get("tasks") is None
    assert registered.machine.units["shop"].status.state is UnitState.ACTIVE


# --- what is written down is lost ---


def lose_record(slave: Slave, is_damaged: bool) -> None:
    path = slave.folder / "apps/shop.json"
    if is_damaged:
        path.write_text("{")
    else:
        path.unlink()


@pytest.mark.parametrize("is_damaged", [True, False])
@pytest.mark.parametrize("is_restarted", [True, False])
def test_an_app_whose_record_is_lost_is_told_and_still_obeys(
    registered: Slave, is_damaged: bool, is_restarted: bool
) -> None:
    registered.apps.statuses()
    registered.lost.candidates()
    lose_record(registered, is_damaged)
    if is_restarted:
        registered.again()
        registered.lost.ask()
    [seen] = registered.apps.statuses()
    told = (seen["name"], seen["unit"], seen["state"], seen["problem"])
    assert told == ("shop", "d8-app-shop.service", "active", RECORD_LOST)
    assert registered.apps.detail("shop")["config"] == {}
    assert registered.apps.log_lines("shop")
    assert registered.apps.stop("shop")["state"] == "inactive"
    registered.wait()
    assert registered.apps.start("shop")["state"] == "active"
    registered.wait()
    with pytest.raises(RecordLost):
        registered.apps.edit("shop", EditOrder({"tasks": 5}))
    registered.wait()
    registered.apps.unregister("shop")
    assert (registered.apps.statuses(), registered.machine.units) == ([], {})
    with pytest.raises(NoSuchApp):
        registered.apps.status("shop")


def test_units_are_asked_for_until_somebody_answers_and_seldom_then(registered: Slave) -> None:
    lose_record(registered, is_damaged=False)
    registered.again()
    registered.machine.is_silent = True
    registered.lost.ask()
    assert registered.lost.candidates() == []
    registered.machine.is_silent = False
    registered.lost.ask()
    assert registered.lost.candidates() == ["shop"]
    del registered.machine.units["shop"]
    registered.lost.ask()
    assert registered.lost.candidates() == ["shop"], "not asked again yet"
    assert registered.apps.statuses() == [], "systemd knows no such unit"


def test_an_app_that_was_removed_is_not_lost(registered: Slave) -> None:
    registered.lost.ask()
    registered.apps.unregister("shop")
    assert registered.lost.candidates() == []


def test_the_log_of_an_app_begins_after_what_a_former_one_of_that_name_left(registered: Slave) -> None:
    assert registered.record().log_after == "s=0"
    registered.apps.edit("shop", EditOrder({"tasks": 5}))
    assert registered.record().log_after == "s=0"
    assert registered.apps.log_lines("shop") == (), "all of it is a former app's"
