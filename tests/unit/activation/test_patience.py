"""Limits are kept by the clock, not by counting looks: a server that hangs takes all of a look's time."""

from __future__ import annotations

import pytest

from slave_agent.activation.patience import LONGEST_LOOK_SECONDS, wait_for_answer
from slave_agent.activation.probe import Answer
from slave_agent.activation.states import Mode

NOBODY, AGENT = Answer(Mode.NOBODY), Answer(Mode.AGENT)


class Time:
    """A clock that moves only by sleeping and looking."""

    def __init__(self, look_seconds: float, agent_after: float = float("inf")) -> None:
        self.now, self.look_seconds, self.agent_after = 1000.0, look_seconds, agent_after
        self.looks: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def look(self, most_seconds: float) -> Answer:
        self.looks.append(most_seconds)
        self.now += min(most_seconds, self.look_seconds)
        return AGENT if self.now >= 1000.0 + self.agent_after else NOBODY

    def wait(self, limit: float) -> Answer:
        return wait_for_answer(self.look, lambda answer: answer is AGENT, limit, 0.25, self.sleep, lambda: self.now)


@pytest.mark.parametrize("look_seconds", [0.001, 0.5, 3.0, 60.0])
@pytest.mark.parametrize("limit", [0.1, 15.0, 30.0])
def test_the_limit_holds_however_long_a_look_takes(look_seconds: float, limit: float) -> None:
    time = Time(look_seconds)
    assert time.wait(limit) is NOBODY
    assert limit - 0.25 - min(look_seconds, LONGEST_LOOK_SECONDS) <= time.now - 1000.0 <= limit + 1e-6
    assert time.looks and all(0 < most <= LONGEST_LOOK_SECONDS for most in time.looks)


def test_the_answer_ends_the_wait() -> None:
    time = Time(0.01, agent_after=5.0)
    assert time.wait(15.0) is AGENT
    assert 5.0 <= time.now - 1000.0 < 5.5
