from __future__ import annotations

from slave_agent.orchestrator.rate_limit import RateLimit


def test_one_operation_a_second_and_what_is_refused_does_not_count() -> None:
    limit = RateLimit()
    assert limit.take("shop", 10.0) == 0.0
    assert limit.take("shop", 10.25) == 0.75
    assert limit.take("shop", 10.75) == 0.25
    assert limit.take("shop", 11.0) == 0.0


def test_apps_do_not_wait_for_each_other() -> None:
    limit = RateLimit()
    assert limit.take("shop", 10.0) == limit.take("mail", 10.0) == 0.0


def test_it_does_not_remember_names_for_ever() -> None:
    limit = RateLimit()
    for number in range(5000):
        limit.take(f"app-{number}", number * 0.01)
    assert len(limit._last) <= 1001
