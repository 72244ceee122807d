from __future__ import annotations

import threading

import pytest

from slave_agent.orchestrator.errors import TooSoon
from slave_agent.orchestrator.turns import Turns


def test_a_second_operation_within_a_second_is_refused_with_the_time_to_wait() -> None:
    turns = Turns(lambda: 5.0)
    turns.claim("shop")
    with pytest.raises(TooSoon) as refused:
        turns.claim("shop")
    assert refused.value.seconds == 1.0


def test_operations_on_one_app_are_one_after_the_other_and_a_third_is_refused() -> None:
    turns = Turns()
    at_work, go_on, order = threading.Event(), threading.Event(), []

    def first() -> None:
        with turns.turn("shop"):
            at_work.set()
            go_on.wait(10)
            order.append("first")

    def second() -> None:
        with turns.turn("shop"):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert at_work.wait(10)
    threads[1].start()
    while turns._queues["shop"][1] < 2:
        pass
    with pytest.raises(TooSoon), turns.turn("shop"):
        pass
    with turns.turn("mail"):
        order.append("mail")
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert order == ["mail", "first", "second"]
    assert turns._queues == {}
