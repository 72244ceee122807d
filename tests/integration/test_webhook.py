"""The webhook of a really started agent. What it does to an app is tried in tests/lab_cases/test_logs.py."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import pytest

from slave_agent.webhook import WebhookSecret, sign
from tests.support.agent_process import Answer, RunningAgent

SECRET = "a-secret-for-the-webhook"
ORDER = {"action": "status", "app_name": "nothing"}


def turn_on(agent: RunningAgent, secret: str | None = SECRET, plain: bool = False) -> Answer:
    return agent.request("PUT", "/api/agent/webhook", {"secret": secret, "plain": plain})


def send(
    agent: RunningAgent,
    order: object = None,
    *,
    message_id: str = "msg_1",
    late: float = 0,
    secret: str = SECRET,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    body = json.dumps(ORDER if order is None else order).encode()
    timestamp = int(time.time() - late)
    signed = {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(WebhookSecret(secret), message_id, timestamp, body),
        "Content-Type": "application/json",
    }
    return agent.request("POST", "/webhook/command", token=None, body=body, headers=signed | dict(headers or {}))


def send_plain(agent: RunningAgent, **order: str) -> Answer:
    return agent.request("POST", "/webhook/command", ORDER | order, token=None)


def test_it_is_off_until_it_has_a_secret_and_can_be_turned_off_again(own_agent: RunningAgent) -> None:
    assert own_agent.get("/api/agent/webhook").document == {"enabled": False, "plain": False}
    assert send(own_agent).status == 404
    assert turn_on(own_agent).document == {"enabled": True, "plain": False}
    answer = send(own_agent)
    assert answer.status == 404
    assert "no app is called" in answer.document["detail"], "the order was let in"
    assert turn_on(own_agent, None).document == {"enabled": False, "plain": False}
    assert "no such path" in send(own_agent, message_id="msg_2").document["detail"]


def test_the_secret_outlives_a_restart_and_old_messages_do_not(own_agent: RunningAgent) -> None:
    turn_on(own_agent)
    own_agent.stop()
    own_agent.restart()
    assert own_agent.get("/api/agent/webhook").document["enabled"]
    answer = send(own_agent, late=60)
    assert (answer.status, "before the agent began" in answer.document["detail"]) == (401, True)


def test_a_replay_is_refused(own_agent: RunningAgent) -> None:
    turn_on(own_agent)
    assert send(own_agent).status == 404
    assert send(own_agent).status == 409


@pytest.mark.parametrize("late", [-310, 310])
def test_a_message_outside_of_its_time_is_refused(own_agent: RunningAgent, late: float) -> None:
    turn_on(own_agent)
    assert send(own_agent, late=late).status == 401


def test_an_edited_body_and_a_wrong_secret_are_refused(own_agent: RunningAgent) -> None:
    turn_on(own_agent)
    timestamp = str(int(time.time()))
    wrong = {
        "webhook-timestamp": timestamp,
        "webhook-signature": sign(WebhookSecret(SECRET), "msg_1", int(timestamp), b"{}"),
    }
    assert send(own_agent, headers=wrong).status == 401
    assert send(own_agent, secret="another-secret-for-the-webhook").status == 401


def test_whoever_guesses_is_slowed_down_and_the_right_secret_works_at_once(own_agent: RunningAgent) -> None:
    turn_on(own_agent)
    guesses = [send(own_agent, secret=f"a-guess-of-the-secret-{number}") for number in range(15)]
    assert {answer.status for answer in guesses} == {401, 429}
    assert int(guesses[-1].headers["Retry-After"]) >= 1
    assert "no app is called" in send(own_agent).document["detail"]


def test_the_plain_form_needs_its_own_setting(own_agent: RunningAgent) -> None:
    turn_on(own_agent)
    assert send_plain(own_agent, secret=SECRET).status == 401
    assert turn_on(own_agent, plain=True).document == {"enabled": True, "plain": True}
    assert "no app is called" in send_plain(own_agent, secret=SECRET).document["detail"]
    assert send_plain(own_agent, secret="wrong").status == 401
    assert send_plain(own_agent).status == 401
    assert "no app is called" in send(own_agent).document["detail"], "the signed form works as well"


@pytest.mark.parametrize(
    "order",
    [
        [],
        {},
        {"action": "remove", "app_name": "web"},
        {"action": "start"},
        ORDER | {"more": 1},
        {"action": 1, "app_name": 2},
    ],
)
def test_wrong_orders_are_told(own_agent: RunningAgent, order: object) -> None:
    turn_on(own_agent)
    assert send(own_agent, order).status == 422


def test_the_secret_is_in_no_log_and_no_answer(own_agent: RunningAgent) -> None:
    turn_on(own_agent, plain=True)
    send_plain(own_agent, secret=SECRET)
    send_plain(own_agent, secret="wrong-" + SECRET)
    assert SECRET not in own_agent.log_with('"POST /webhook/command" 401')
    assert SECRET.encode() not in own_agent.get("/api/agent/webhook").body
    assert turn_on(own_agent, "short").status == 422


def test_only_the_master_may_turn_it_on(own_agent: RunningAgent) -> None:
    assert own_agent.request("PUT", "/api/agent/webhook", {"secret": SECRET}, token=None).status == 401
