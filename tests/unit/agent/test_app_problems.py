from __future__ import annotations

import json

import pytest

from slave_agent.api.problems import problem_of, problem_reply
from slave_agent.orchestrator.errors import (
    AgentStops,
    AppError,
    DidNotStayUp,
    Failure,
    NameTaken,
    NoSuchApp,
    RecordNotKept,
    TooSoon,
    WrongFields,
)
from slave_agent.systemd.errors import SystemdError
from slave_agent.systemd.service_config import FieldProblem

FAILURE = Failure("exit-code", 3, None, 1, ("starting", "boom"))


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NoSuchApp("shop"), 404),
        (NameTaken("taken"), 409),
        (TooSoon("shop", 0.2), 429),
        (WrongFields([FieldProblem("name", "is odd")]), 422),
        (DidNotStayUp("ended", "look", FAILURE), 422),
        (AgentStops("stops"), 503),
        (RecordNotKept("disk"), 507),
        (AppError("still runs"), 502),
        (SystemdError("silent", "look"), 502),
    ],
)
def test_each_error_has_its_status(error: Exception, status: int) -> None:
    assert problem_of(error).status == status


def test_too_soon_says_when_to_come_again_in_whole_seconds() -> None:
    assert problem_of(TooSoon("shop", 0.2)).headers["Retry-After"] == "1"
    assert problem_of(TooSoon("shop", 1.4)).headers["Retry-After"] == "2"


def test_an_app_that_ended_says_how() -> None:
    document = json.loads(problem_reply(problem_of(DidNotStayUp("ended", "look", FAILURE, restored=True))).body)
    assert document["type"] == "urn:d8:app-did-not-stay-up"
    assert (document["exit_code"], document["signal"], document["restarts"]) == (3, None, 1)
    assert document["log"] == ["starting", "boom"] and document["restored"] is True
    fresh = json.loads(problem_reply(problem_of(DidNotStayUp("ended", "look", FAILURE))).body)
    assert "restored" not in fresh


def test_wrong_fields_are_listed() -> None:
    document = json.loads(problem_reply(problem_of(WrongFields([FieldProblem("name", "is odd", "x")]))).body)
    assert document["problems"] == [{"field": "name", "message": "is odd", "hint": "x"}]
