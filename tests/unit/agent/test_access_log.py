"""Who is worth a line in the agent's log, and how often."""

from __future__ import annotations

import logging

import pytest

from slave_agent.access_log import LINES_PER_WINDOW, WINDOW_SECONDS, AccessLog, Answered


class Clock:
    """Time that passes when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def answered(address: str = "192.0.2.9", who: str | None = None, path: str = "/x", status: int = 401) -> Answered:
    return Answered(address, who, "GET", path, status, 120, 1.0)


def test_a_stranger_gets_a_few_lines_a_minute_and_the_others_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = AccessLog(clock)
    with caplog.at_level(logging.INFO, "slave_agent.access"):
        for number in range(3000):
            log.record(answered(path=f"/{number}"))
        for number in range(1, 100):  # one network
            log.record(answered(f"2001:db8::{number}"))
        clock.now += WINDOW_SECONDS
        log.record(answered())
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:LINES_PER_WINDOW] == [f'192.0.2.9 - "GET /{number}" 401 120 B 1 ms' for number in range(10)]
    assert lines[LINES_PER_WINDOW:] == [
        *[f'2001:db8::{number} - "GET /x" 401 120 B 1 ms' for number in range(1, 11)],
        '192.0.2.9 - "GET /x" 401 120 B 1 ms, and 2990 more from there before',
    ]


def test_each_request_of_somebody_known_gets_its_line(caplog: pytest.LogCaptureFixture) -> None:
    log = AccessLog(Clock())
    with caplog.at_level(logging.INFO, "slave_agent.access"):
        for _ in range(3):
            log.record(answered(who="master", path="/api/health", status=200))
    assert len(caplog.records) == 3


@pytest.mark.parametrize("path", ["/api/health", "/login", "/static/panel.css"])
def test_what_is_everybodys_gets_none_as_long_as_all_is_well(caplog: pytest.LogCaptureFixture, path: str) -> None:
    log = AccessLog(Clock())
    with caplog.at_level(logging.INFO, "slave_agent.access"):
        log.record(answered("127.0.0.1", path=path, status=200))
        log.record(answered("127.0.0.1", path=path, status=503))
    assert len(caplog.records) == 1
