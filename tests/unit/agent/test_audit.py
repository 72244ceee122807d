"""What the audit log keeps, and that guessing fills neither disk nor log."""

from __future__ import annotations

from pathlib import Path

import pytest

from slave_agent.audit import ENTRIES_KEPT, AuditLog, Deed, is_worth_a_line
from slave_agent.states import Right

KEPT = [
    (Deed("master", "10.0.0.1", "POST", "/api/apps/shop/restart", Right.OPERATE, 200), True),
    (Deed("master", "10.0.0.1", "POST", "/api/apps/shop/restart", Right.OPERATE, 422), True),
    (Deed("master", "10.0.0.1", "POST", "/api/execute", Right.EXECUTE, 200), True),
    (Deed("master", "10.0.0.1", "DELETE", "/api/agent/tokens/ci", Right.MANAGE, 200), True),
    (Deed("master", "10.0.0.1", "GET", "/api/jobs/x", Right.EXECUTE, 200), False),
    (Deed("master", "10.0.0.1", "GET", "/api/apps", Right.READ, 200), False),
    (Deed("ci", "10.0.0.1", "POST", "/api/execute", None, 403), True),
    (Deed("ci", "10.0.0.1", "GET", "/api/audit", None, 403), True),
    (Deed("ci", "10.0.0.1", "GET", "/nothing", None, 404), False),
    (Deed(None, "10.0.0.9", "GET", "/api/apps", None, 401), True),
    (Deed(None, "10.0.0.9", "GET", "/api/apps", None, 429), True),
    (Deed(None, "10.0.0.9", "GET", "/api/health", Right.NONE, 200), False),
    (Deed("ci", "10.0.0.9", "GET", "/login", Right.NONE, 303), False),
    (Deed("ci", "10.0.0.9", "POST", "/login", Right.NONE, 200), True),
    (Deed(None, "10.0.0.9", "POST", "/login", Right.NONE, 401), True),
    (Deed(None, "10.0.0.9", "POST", "/login", Right.NONE, 403), True),
    (Deed(None, "10.0.0.9", "GET", "/apps", None, 303), False),
]


@pytest.mark.parametrize(("deed", "expected"), KEPT)
def test_what_is_kept(deed: Deed, expected: bool) -> None:
    assert is_worth_a_line(deed) is expected


def test_a_line_says_who_what_when_and_how_it_ended(tmp_path: Path) -> None:
    log = AuditLog(tmp_path, now=lambda: 1_800_000_000.0)
    log.record(KEPT[0][0])
    log.record(KEPT[5][0])
    log.close()
    assert log.lines.after(0, 10) == [
        {
            "id": 1,
            "time": "2027-01-15T08:00:00Z",
            "who": "master",
            "address": "10.0.0.1",
            "what": "POST /api/apps/shop/restart",
            "status": 200,
        }
    ]


def test_a_guesser_gets_a_line_a_minute(tmp_path: Path) -> None:
    moment = [0.0]
    log = AuditLog(tmp_path, monotonic=lambda: moment[0])
    guess = Deed(None, "10.0.0.9", "GET", "/", None, 401)
    for second in range(100):
        moment[0] = float(second)
        log.record(guess)
    log.record(Deed(None, "10.0.0.8", "GET", "/", None, 401))
    log.record(Deed("ci", "10.0.0.9", "GET", "/api/audit", None, 403))
    log.close()
    found = [(entry["who"], entry["address"]) for entry in log.lines.after(0, 10)]
    assert found == [("unknown", "10.0.0.9"), ("unknown", "10.0.0.9"), ("unknown", "10.0.0.8"), ("ci", "10.0.0.9")]


def test_a_guess_at_the_login_is_not_hidden_by_what_was_asked_before_it(tmp_path: Path) -> None:
    """A page whose session has ended asks once more, is refused, and leads to the login: that is where guesses are."""
    log = AuditLog(tmp_path, monotonic=lambda: 0.0)
    log.record(Deed(None, "10.0.0.9", "GET", "/api/apps", None, 401))
    for _ in range(20):
        log.record(Deed(None, "10.0.0.9", "POST", "/login", Right.NONE, 401))
    log.close()
    assert [entry["what"] for entry in log.lines.after(0, 10)] == ["GET /api/apps", "POST /login"]


def test_a_token_that_is_refused_for_ever_does_not_push_out_what_others_did(tmp_path: Path) -> None:
    def flood(log: AuditLog, who: str | None) -> None:
        for number in range(ENTRIES_KEPT + 100):
            log.record(Deed(who, f"10.0.{number // 250}.{number % 250}", "GET", "/api/audit", None, 403))
        log.close()

    log = AuditLog(tmp_path)
    log.record(KEPT[3][0])
    flood(log, "ci")
    again = AuditLog(tmp_path)
    flood(again, None)
    for known in (again, AuditLog(tmp_path)):
        entries = known.lines.newest(ENTRIES_KEPT)
        assert len(entries) == ENTRIES_KEPT
        assert entries[0]["what"] == "DELETE /api/agent/tokens/ci"
        assert {entry["who"] for entry in entries} == {"master", "ci", "unknown"}
