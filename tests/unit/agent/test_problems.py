from __future__ import annotations

import json

import pytest

from slave_agent.api.problems import problem_of, problem_reply, too_many_guesses, unauthorized
from slave_agent.bootstrap.errors import JobConflict, JobNotFound
from slave_agent.errors import ActivationError, AgentError, CredentialsError, HttpProblem


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (HttpProblem(411, "x"), 411),
        (JobNotFound("x"), 404),
        (JobConflict("x"), 409),
        (CredentialsError("x"), 422),
        (ActivationError("x"), 502),
        (AgentError("x"), 500),
        (KeyError("x"), 500),
    ],
)
def test_every_error_has_its_status(error: Exception, status: int) -> None:
    assert problem_of(error).status == status


def test_a_problem_has_the_fields_of_rfc_9457_and_a_hint() -> None:
    reply = problem_reply(unauthorized("no token"))
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    document = json.loads(reply.body)
    assert document["status"] == 401
    assert set(document) == {"type", "title", "status", "detail", "hint"}
    assert all(document.values())


def test_a_guesser_hears_when_to_come_back() -> None:
    assert problem_reply(too_many_guesses(17)).headers["Retry-After"] == "17"


def test_an_unexpected_error_says_nothing_of_the_inside() -> None:
    assert "hunter2" not in json.dumps(problem_reply(problem_of(KeyError("hunter2"))).body.decode())
