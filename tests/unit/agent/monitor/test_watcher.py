"""The loop around the judgement: events on disk, one an incident, also across restarts; a blind look judges nobody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from slave_agent.errors import AgentError
from slave_agent.monitor.events import event_log, page_of
from slave_agent.monitor.incidents import Observation, SubjectKind
from slave_agent.monitor.observer import of_lost
from slave_agent.monitor.restart_counts import RestartCounts
from slave_agent.monitor.watcher import Watcher
from slave_agent.states import AppState
from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.states import UnitState

CRASHED = Observation(SubjectKind.APP, "shop", AppState.CRASHED, UnitState.ACTIVE, is_found=False, detail="no process")
RUNNING = Observation(SubjectKind.APP, "shop", AppState.RUNNING, UnitState.ACTIVE, is_found=True, pid=7)


def watcher(folder: Path, observe: Callable[[], Sequence[Observation]]) -> Watcher:
    return Watcher(observe, event_log(folder), RestartCounts(folder))


def kinds(folder: Path) -> list[str]:
    return [event["kind"] for event in page_of(event_log(folder), 0)["events"]]


def test_an_incident_is_one_event_also_across_a_restart(tmp_path: Path) -> None:
    for _ in range(3):  # three lives of the agent
        one = watcher(tmp_path, lambda: [CRASHED])
        one.look()
        one.look()
        one.look()
    assert kinds(tmp_path) == ["crashed"]
    event = page_of(event_log(tmp_path), 0)["events"][0]
    assert (event["id"], event["type"], event["name"], event["status"]) == (1, "app", "shop", "crashed")
    assert event["detail"] == "no process"
    for _ in range(3):
        watcher(tmp_path, lambda: [RUNNING]).look()
    again = watcher(tmp_path, lambda: [RUNNING])
    again.look()
    again.look()
    assert kinds(tmp_path) == ["crashed", "recovered"]


def test_an_app_that_is_not_there_any_more_ends_its_incident(tmp_path: Path) -> None:
    seen = [[CRASHED], [CRASHED], [], []]
    one = watcher(tmp_path, lambda: seen.pop(0))
    for _ in range(4):
        one.look()
    assert kinds(tmp_path) == ["crashed", "stopped"]


def test_a_look_that_could_not_be_made_judges_nobody(tmp_path: Path) -> None:
    def blind() -> list[Observation]:
        raise AgentError("systemd does not answer")

    looks: list[Callable[[], list[Observation]]] = [lambda: [CRASHED], blind, blind, blind, lambda: [CRASHED]]
    one = watcher(tmp_path, lambda: looks.pop(0)())
    for _ in range(4):
        one.look()
    assert kinds(tmp_path) == []
    one.look()
    assert kinds(tmp_path) == ["crashed"]


def test_a_restart_before_the_first_look_or_while_the_agent_was_away_is_told_once(tmp_path: Path) -> None:
    def restarted(times: int) -> Observation:
        return replace(RUNNING, restarts=times)

    watcher(tmp_path, lambda: [restarted(1)]).look()
    assert kinds(tmp_path) == ["restarted"]
    for _ in range(2):  # two lives of the agent in which nothing new happens
        one = watcher(tmp_path, lambda: [restarted(1)])
        one.look()
        one.look()
        one.look()
    assert kinds(tmp_path) == ["restarted", "recovered"]
    watcher(tmp_path, lambda: [restarted(3)]).look()
    assert kinds(tmp_path) == ["restarted", "recovered", "restarted"]


def test_what_was_left_half_done_is_settled_at_each_look(tmp_path: Path) -> None:
    rounds: list[int] = []
    one = Watcher(
        lambda: [RUNNING], event_log(tmp_path), RestartCounts(tmp_path), settle=lambda: rounds.append(len(rounds))
    )
    one.look()
    one.look()
    assert rounds == [0, 1]


def test_a_unit_without_a_record_is_one_event(tmp_path: Path) -> None:
    unit = "d8-app-shop.service"
    statuses = {unit: ServiceStatus(unit, UnitState.ACTIVE, load_state="loaded", pid=7)}
    one = watcher(tmp_path, lambda: of_lost(["shop"], statuses))
    for _ in range(4):
        one.look()
    assert kinds(tmp_path) == ["record-lost"]
    statuses[unit] = ServiceStatus(unit, UnitState.NOT_FOUND, load_state="not-found")
    one.look()
    assert kinds(tmp_path) == ["record-lost", "stopped"]
