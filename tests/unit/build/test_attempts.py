"""The order of strategies and their attempts, with strategies that fail as told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from d8.build import attempts
from d8.build.build_log import BuildLog
from d8.build.events import Notice
from d8.build.progress import Progress
from d8.build.retry import RetryPolicy
from d8.errors import BuildFailed, Cancelled, D8Error, PermanentFailure, SlaveUnreachable
from d8.masking import Masker
from d8.messages import message
from d8.models import Scope, StrategyName

AGENT = object()


class ScriptedStrategy:
    """Installs with the scripted failures, one an attempt; None is a success. Fails on anything beyond the script."""

    def __init__(self, name, failures, impossible=None):
        self.name = name
        self._failures = list(failures)
        self._impossible = impossible

    def impossible_because(self, _facts):
        return self._impossible

    def install(self, _context):
        failure = self._failures.pop(0)
        if failure is not None:
            raise failure

    def discard(self, context):
        context.discarded.append(self.name)


@pytest.fixture
def build(tmp_path, monkeypatch):
    """A build whose activation always works, what it was told, and how long it slept."""
    log = BuildLog(tmp_path, "slave-1", "10.0.0.1", datetime.now(UTC), Masker())
    events, naps, discarded = [], [], []
    context = SimpleNamespace(
        facts=None,
        progress=Progress(events.append, log),
        release="/r",
        address=SimpleNamespace(port=7600),
        discarded=discarded,
    )

    class WorkingActivation:
        def __init__(self, *_arguments): ...

        def install_and_stage(self):
            return Scope.SYSTEM

        def hand_over(self):
            return SimpleNamespace(close=lambda: None)

        def enroll_and_prove(self, client):
            return client, AGENT

        def confirm(self, _client):
            if handover.failure:
                raise handover.failure

        def wait_until_undone(self):
            return handover.is_anybody_there

        def explained(self, error):
            return BuildFailed("{reason}, explained", reason=error.message)

    handover = SimpleNamespace(failure=None, is_anybody_there=True)
    monkeypatch.setattr(attempts, "Activation", WorkingActivation)

    def run(*strategies):
        return attempts.run_strategies(strategies, context, RetryPolicy(3, 10), naps.append)

    return SimpleNamespace(run=run, log=log, events=events, naps=naps, discarded=discarded, handover=handover)


def test_the_first_strategy_that_works_ends_the_search(build):
    built = build.run(ScriptedStrategy(StrategyName.DOCKER, [None]), ScriptedStrategy(StrategyName.VENV, []))
    assert (built.strategy, built.agent) == (StrategyName.DOCKER, AGENT)


def test_three_attempts_with_a_delay_each_from_a_clean_state_then_the_next_strategy(build):
    failing = ScriptedStrategy(StrategyName.DOCKER, [BuildFailed("one"), BuildFailed("two"), BuildFailed("three")])
    built = build.run(failing, ScriptedStrategy(StrategyName.VENV, [None]))
    assert built.strategy is StrategyName.VENV
    assert build.naps == [10, 10]
    assert build.discarded == ["docker"] * 3
    recorded = [(entry["strategy"], entry["number"], entry["success"]) for entry in build.log.document["attempts"]]
    assert recorded == [("docker", 1, False), ("docker", 2, False), ("docker", 3, False), ("venv", 1, True)]


def test_what_repetition_cannot_mend_ends_the_strategy_at_once(build):
    with pytest.raises(BuildFailed, match="no disk"):
        build.run(ScriptedStrategy(StrategyName.VENV, [PermanentFailure("no disk")]))
    assert build.naps == []


def test_an_impossible_strategy_is_left_out_with_its_reason_on_screen_and_in_the_log(build):
    build.run(
        ScriptedStrategy(StrategyName.DOCKER, [], impossible=message("no docker here")),
        ScriptedStrategy(StrategyName.VENV, [None]),
    )
    assert build.log.document["skipped"] == [{"strategy": "docker", "reason": "no docker here"}]
    assert any("no docker here" in str(event.message) for event in build.events if isinstance(event, Notice))


def test_when_nothing_works_every_reason_is_told(build):
    with pytest.raises(BuildFailed) as caught:
        build.run(
            ScriptedStrategy(StrategyName.DOCKER, [], impossible=message("no docker here")),
            ScriptedStrategy(StrategyName.VENV, [PermanentFailure("disk full", "Free some space.")]),
        )
    assert "docker: no docker here" in str(caught.value) and "venv: disk full" in str(caught.value)
    assert str(caught.value.hint) == "Free some space."


def test_a_cancelled_build_tries_nothing_else(build):
    with pytest.raises(Cancelled):
        build.run(
            ScriptedStrategy(StrategyName.DOCKER, [Cancelled("stop")]), ScriptedStrategy(StrategyName.VENV, [None])
        )


def test_a_link_that_stays_away_is_no_failed_attempt_and_nothing_runs_beside_what_goes_on_there(build):
    lost = ScriptedStrategy(StrategyName.DOCKER, [SlaveUnreachable("away"), None])
    with pytest.raises(SlaveUnreachable):
        build.run(lost, ScriptedStrategy(StrategyName.VENV, [None]))
    assert (build.naps, build.discarded, build.log.document["attempts"]) == ([], [], [])


def test_a_link_that_is_lost_while_a_failed_attempt_is_removed_leaves_the_attempt_open(build):
    failing = ScriptedStrategy(StrategyName.VENV, [BuildFailed("one")])
    failing.discard = lambda _context: (_ for _ in ()).throw(SlaveUnreachable("away"))
    with pytest.raises(SlaveUnreachable):
        build.run(failing)
    assert build.log.document["attempts"] == []


@pytest.mark.parametrize("failure", [SlaveUnreachable("away"), BuildFailed("the agent did not take over")])
def test_a_handover_after_which_nobody_answers_is_a_lost_link(build, failure):
    build.handover.failure, build.handover.is_anybody_there = failure, False
    with pytest.raises(SlaveUnreachable, match="nobody answers since"):
        build.run(ScriptedStrategy(StrategyName.VENV, [None]))
    assert (build.naps, build.discarded) == ([], [])


def test_an_agent_that_dies_at_the_handover_is_a_failed_attempt_once_the_bootstrap_answers_again(build):
    build.handover.failure = SlaveUnreachable("refused")
    with pytest.raises(attempts.NoStrategyWorked, match="refused, explained"):
        build.run(ScriptedStrategy(StrategyName.VENV, [None, None, None]))
    assert (build.naps, build.discarded) == ([10, 10], ["venv"] * 3)


def test_the_log_keeps_the_error_in_english(build):
    with pytest.raises(D8Error):
        build.run(ScriptedStrategy(StrategyName.VENV, [PermanentFailure("{n} MB left", n=3)]))
    assert build.log.document["attempts"][0]["error"] == "3 MB left"


def test_a_resumed_build_tells_the_reasons_of_before_in_the_operators_language(build):
    failure = PermanentFailure("{reason}", "Free some space.", reason=message("no room for {n} files", n=3))
    with pytest.raises(D8Error):
        build.run(ScriptedStrategy(StrategyName.VENV, [failure]))
    build.log.document = json.loads(build.log.path.read_text())

    with pytest.raises(attempts.NoStrategyWorked) as resumed:
        build.run(ScriptedStrategy(StrategyName.VENV, []))

    spanish = {"no room for {n} files": "no hay sitio para {n} ficheros"}
    assert "venv: no hay sitio para 3 ficheros" in resumed.value.message.text(lambda text: spanish.get(text, text))
    assert str(resumed.value.hint) == "Free some space."


def test_what_an_attempt_left_and_cannot_be_removed_does_not_hide_why_it_failed(build):
    failing = ScriptedStrategy(StrategyName.VENV, [PermanentFailure("disk full")])
    failing.discard = lambda _context: (_ for _ in ()).throw(BuildFailed("rm: read-only"))
    with pytest.raises(BuildFailed, match="disk full"):
        build.run(failing)
    assert any("rm: read-only" in str(event.message) for event in build.events if isinstance(event, Notice))
