from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from slave_agent.bootstrap.authentication import Authenticator, bearer_digest, expiry_problem
from slave_agent.bootstrap.errors import NotAuthorized, TooManyGuesses
from slave_agent.bootstrap.throttle import REMEMBERED_ADDRESSES, GuessThrottle, network_of

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TOKEN = "señal 'x' $y %z"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def as_header(token: str) -> str:
    return f"Bearer {token}".encode().decode("latin-1")


def authenticator(expires: datetime | None = None) -> Authenticator:
    return Authenticator(sha256(TOKEN), expires, clock=lambda: 100.0, now=lambda: NOW)


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        (["Bearer abc"], "abc"),
        (["bearer abc"], "abc"),
        ([as_header("ñ 漢")], "ñ 漢"),
        (["Bearer  abc"], " abc"),
        (["Bearer"], ""),
        ([], None),
        (["Basic abc"], None),
        (["Bearer a", "Bearer a"], None),
    ],
)
def test_the_bytes_after_the_scheme_are_the_token(headers: list[str], token: str | None) -> None:
    assert bearer_digest(headers) == (None if token is None else sha256(token))


def test_the_right_token_passes_however_many_wrong_ones_came() -> None:
    checker = authenticator()
    for _ in range(10):
        with pytest.raises(NotAuthorized):
            checker.check(["Bearer wrong"], "10.0.0.1")
    with pytest.raises(TooManyGuesses) as problem:
        checker.check(["Bearer wrong"], "10.0.0.1")
    assert problem.value.retry_after_seconds == 60
    checker.check([as_header(TOKEN)], "10.0.0.1")
    with pytest.raises(NotAuthorized):
        checker.check(["Bearer wrong"], "10.0.0.2")


def test_no_token_is_no_guess() -> None:
    checker = authenticator()
    for _ in range(50):
        with pytest.raises(NotAuthorized):
            checker.check([], "10.0.0.1")


@pytest.mark.parametrize(
    ("expires", "is_over"),
    [(None, False), (NOW + timedelta(seconds=1), False), (NOW, True), (NOW - timedelta(days=1), True)],
)
def test_the_installers_last_moment(expires: datetime | None, is_over: bool) -> None:
    assert (expiry_problem(expires, NOW) is not None) is is_over
    if is_over:
        with pytest.raises(NotAuthorized, match="expired"):
            authenticator(expires).check([as_header(TOKEN)], "10.0.0.1")


def test_a_wrong_token_does_not_learn_that_the_installer_expired() -> None:
    with pytest.raises(NotAuthorized, match="wrong"):
        authenticator(NOW).check(["Bearer wrong"], "10.0.0.1")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("strange", "strange"),
    ],
)
def test_who_counts_as_one_guesser(address: str, network: str) -> None:
    assert network_of(address) == network


def test_guesses_are_forgotten_after_a_minute() -> None:
    throttle = GuessThrottle()
    assert [throttle.count_wrong("a", float(second)) for second in range(10)] == [None] * 10
    assert throttle.count_wrong("a", 30) == 30
    assert throttle.count_wrong("a", 60.5) is None
    assert throttle.count_wrong("a", 60.6) == pytest.approx(0.4)


def test_many_addresses_take_bounded_room() -> None:
    throttle = GuessThrottle()
    for number in range(REMEMBERED_ADDRESSES + 100):
        throttle.count_wrong(f"10.{number}", 0)
    assert len(throttle._guesses) == REMEMBERED_ADDRESSES
