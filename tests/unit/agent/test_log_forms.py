from __future__ import annotations

from datetime import UTC, datetime

import pytest

from slave_agent.api.log_forms import moment, page_request, stream_request
from slave_agent.errors import HttpProblem
from slave_agent.logs.filters import LogFilter
from slave_agent.logs.log_request import LogRequest
from tests.support.scripted_journal import cursor_of

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def test_what_is_not_said_has_its_default() -> None:
    assert stream_request("", NOW) == LogRequest(LogFilter(), 100)
    assert stream_request("grep=&since=", NOW) == LogRequest(LogFilter(), 100)
    assert page_request("", NOW) == (LogRequest(), None)


def test_everything_said() -> None:
    cursor = cursor_of(3)
    request = stream_request(f"lines=0&priority=warning&grep=a%20b&since=2h&cursor={cursor.replace(';', '%3B')}", NOW)
    assert request == LogRequest(LogFilter(4, "a b"), 0, "2026-03-01T10:00:00.000000Z", None, cursor)
    page, is_text = page_request(f"lines=5000&until=2026-01-01&before={cursor}&format=text", NOW)
    assert (page.until, page.before, page.lines, is_text) == ("2026-01-01T00:00:00.000000Z", cursor, 5000, True)
    assert page_request("format=json", NOW)[1] is False
    page, _ = page_request("since=2h&until=2h", NOW)
    assert page.since == page.until == "2026-03-01T10:00:00.000000Z"


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("90s", "2026-03-01T11:58:30.000000Z"),
        ("-15m", "2026-03-01T11:45:00.000000Z"),
        ("3d", "2026-02-26T12:00:00.000000Z"),
        ("2026-02-03T04:05:06Z", "2026-02-03T04:05:06.000000Z"),
        ("2026-02-03 04:05:06.789", "2026-02-03T04:05:06.789000Z"),
        ("2026-02-03T04:05:06 02:00", "2026-02-03T02:05:06.000000Z"),
        ("2026-02-03T04:05:06-05:00", "2026-02-03T09:05:06.000000Z"),
    ],
)
def test_moments(text: str, utc: str) -> None:
    assert moment(text, NOW) == utc


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2h30m", "9999999d", "999999d", "0001-01-01", "9999-12-31T23:59:59-23:59", "1e3s"]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError):
        moment(text, NOW)


def test_every_wrong_parameter_is_named_at_once() -> None:
    with pytest.raises(HttpProblem) as refused:
        stream_request("lines=x&priority=9&since=never&cursor=1&unknown=1", NOW)
    assert refused.value.status == 422
    for name in ("lines", "priority", "since", "cursor", "unknown"):
        assert name in refused.value.message


@pytest.mark.parametrize(
    "query",
    [
        "lines=1&lines=2",
        "lines=0",
        f"cursor={cursor_of(1)}&before={cursor_of(2)}",
        "format=xml",
        "since=2030-01-01&until=1980-01-01",
        "since=1h&until=2h",
    ],
)
def test_pages_that_can_not_be(query: str) -> None:
    with pytest.raises(HttpProblem) as refused:
        page_request(query, NOW)
    assert refused.value.status == 422
