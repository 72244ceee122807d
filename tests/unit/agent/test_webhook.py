from __future__ import annotations

import json
from pathlib import Path

import pytest

from slave_agent.webhook import (
    IDS_AT_MOST,
    Doorkeeper,
    Replayed,
    SignedMessage,
    WebhookRefused,
    WebhookSecret,
    problem_with_secret,
    sign,
)
from slave_agent.webhook_store import WebhookStore

NOW = 1_700_000_000.0
SECRET = WebhookSecret("a-secret-of-enough-characters")
BODY = b'{"action":"restart","app_name":"web"}'


def message(
    message_id: str = "msg_1", at: float = NOW, body: bytes = BODY, secret: WebhookSecret = SECRET
) -> SignedMessage:
    return SignedMessage(message_id, str(int(at)), sign(secret, message_id, int(at), body), body)


def doorkeeper(began: float = NOW - 1000) -> Doorkeeper:
    return Doorkeeper(began)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the specification's own libraries."""
    secret = WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signed_message_is_let_in_once() -> None:
    keeper = doorkeeper()
    keeper.let_in(message(), SECRET, NOW)
    with pytest.raises(Replayed):
        keeper.let_in(message(), SECRET, NOW + 299)
    keeper.let_in(message("msg_2"), SECRET, NOW)


def test_one_of_several_signatures_is_enough() -> None:
    right = message()
    several = SignedMessage(right.message_id, right.timestamp, f"v1,AAAA v2,xyz {right.signatures}", right.body)
    doorkeeper().let_in(several, SECRET, NOW)


@pytest.mark.parametrize("late", [-301, 301, 100_000])
def test_a_message_outside_of_its_time_is_refused(late: float) -> None:
    with pytest.raises(WebhookRefused, match="more than 300 s") as refused:
        doorkeeper(NOW - 1e6).let_in(message(), SECRET, NOW + late)
    assert not refused.value.is_guess


@pytest.mark.parametrize("late", [-300, 0, 300])
def test_five_minutes_either_way_are_fine(late: float) -> None:
    doorkeeper().let_in(message(), SECRET, NOW + late)


def test_what_was_signed_before_the_agent_began_is_refused() -> None:
    """Its ids are not known: it may have come already."""
    with pytest.raises(WebhookRefused, match="before the agent began"):
        doorkeeper(NOW + 5).let_in(message(), SECRET, NOW + 6)


@pytest.mark.parametrize(
    "wrong",
    [
        SignedMessage("msg_1", "1700000000", message().signatures, BODY + b" "),
        SignedMessage("msg_2", "1700000000", message().signatures, BODY),
        SignedMessage("msg_1", "1700000001", message().signatures, BODY),
        SignedMessage("msg_1", "1700000000", "", BODY),
        SignedMessage("msg_1", "1700000000", "v1,", BODY),
        SignedMessage("msg_1", "1700000000", message().signatures.replace("v1,", "v2,"), BODY),
        SignedMessage("msg_1", "1700000000", "v1,ñ✓", BODY),
        message(secret=WebhookSecret("another-secret-of-enough-length")),
    ],
)
def test_a_wrong_signature_counts_as_a_guess(wrong: SignedMessage) -> None:
    with pytest.raises(WebhookRefused, match="signature is wrong") as refused:
        doorkeeper().let_in(wrong, SECRET, NOW)
    assert refused.value.is_guess


@pytest.mark.parametrize(
    ("message_id", "timestamp"),
    [
        ("", "1700000000"),
        ("a b", "1700000000"),
        ("x" * 129, "1700000000"),
        ("msg_1", ""),
        ("msg_1", "-5"),
        ("msg_1", "1e9"),
    ],
)
def test_malformed_headers_are_refused(message_id: str, timestamp: str) -> None:
    with pytest.raises(WebhookRefused, match="malformed"):
        doorkeeper().let_in(SignedMessage(message_id, timestamp, "v1,AAAA", BODY), SECRET, NOW)


def test_a_refused_message_uses_no_id() -> None:
    keeper = doorkeeper()
    with pytest.raises(WebhookRefused):
        keeper.let_in(message(secret=WebhookSecret("another-secret-of-enough-length")), SECRET, NOW)
    keeper.let_in(message(), SECRET, NOW)


def test_a_message_without_effect_may_come_again() -> None:
    keeper = doorkeeper()
    keeper.let_in(message(), SECRET, NOW)
    keeper.forget("msg_1")
    keeper.let_in(message(), SECRET, NOW)


def test_ids_are_kept_for_as_long_as_they_could_come_again_and_no_longer() -> None:
    keeper = doorkeeper()
    for number in range(IDS_AT_MOST):
        keeper.let_in(message(f"msg_{number}"), SECRET, NOW)
    with pytest.raises(WebhookRefused, match="more than"):
        keeper.let_in(message("one_more"), SECRET, NOW)
    keeper.let_in(message("later", at=NOW + 601), SECRET, NOW + 601)


@pytest.mark.parametrize(
    "secret",
    ["", "short", "x" * 15, "x" * 201, "spaces are not allowed here", "ñ" * 20, "whsec_AAAA", "whsec_!!!!!!!!!!!!!!!!"],
)
def test_secrets_that_can_not_be_used(secret: str) -> None:
    assert problem_with_secret(secret)


@pytest.mark.parametrize("secret", ["x" * 16, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
def test_secrets_that_can(secret: str) -> None:
    assert problem_with_secret(secret) is None


def test_the_secret_is_in_no_representation() -> None:
    assert SECRET.secret not in repr(SECRET)


def test_the_store_keeps_the_secret_for_the_agent_alone(tmp_path: Path) -> None:
    store = WebhookStore(tmp_path)
    assert store.load() is None
    assert store.secret is None
    store.set(WebhookSecret("x" * 20, allows_plain=True))
    assert store.path.stat().st_mode & 0o777 == 0o600
    again = WebhookStore(tmp_path)
    assert again.load() is None
    assert again.secret == WebhookSecret("x" * 20, allows_plain=True)
    again.set(None)
    assert again.secret is None
    assert not store.path.exists()
    again.set(None)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"secret": 5, "plain": true}', '{"secret": "short", "plain": false}']
)
def test_with_a_spoiled_file_the_webhook_stays_off(tmp_path: Path, text: str) -> None:
    store = WebhookStore(tmp_path)
    store.path.write_text(text)
    assert str(store.path) in (store.load() or "")
    assert store.secret is None


def test_plain_is_never_guessed_from_other_values(tmp_path: Path) -> None:
    store = WebhookStore(tmp_path)
    store.path.write_text(json.dumps({"secret": "x" * 20, "plain": "yes"}))
    store.load()
    assert store.secret == WebhookSecret("x" * 20, allows_plain=False)
