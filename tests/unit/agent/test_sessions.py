from __future__ import annotations

from dataclasses import replace

import pytest

from slave_agent.models import Credential
from slave_agent.sessions import (
    IDLE_SECONDS,
    LONGEST_SECONDS,
    SESSIONS_A_TOKEN,
    SESSIONS_AT_MOST,
    SessionCookie,
    Sessions,
    session_cookie,
)
from slave_agent.states import RIGHTS_OF, CredentialKind, Right, TokenScope

HERE, ELSEWHERE = "10.0.0.5", "10.0.0.6"
CI = Credential("a" * 63 + "b", None, None, CredentialKind.ACCESS, RIGHTS_OF[TokenScope.READ], "ci")
OTHER = replace(CI, token_sha256="c" * 63 + "d", name="other")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(session_cookie("pi-1", True), clock)


def sent_back(set_cookie: str) -> list[bytes]:
    """What a browser sends after that Set-Cookie."""
    return [set_cookie.partition(";")[0].encode()]


def test_a_session_opens_what_it_was_opened_with(sessions: Sessions) -> None:
    cookie = sent_back(sessions.begin(CI, HERE))
    assert sessions.credential(cookie, HERE, [OTHER, CI]) == CI
    changed = replace(CI, rights=RIGHTS_OF[TokenScope.OPERATE])
    assert sessions.credential(cookie, HERE, [changed]) == changed, "what a token may is asked at every request"


def test_a_session_opens_no_more_than_the_panel_whatever_its_token_may(sessions: Sessions) -> None:
    master = replace(CI, rights=RIGHTS_OF[TokenScope.MANAGE])
    found = sessions.credential(sent_back(sessions.begin(master, HERE)), HERE, [master])
    assert found is not None and found.rights == {Right.NONE, Right.READ, Right.OPERATE, Right.AUDIT}


def test_two_sessions_are_never_the_same_and_what_is_kept_is_no_id(sessions: Sessions) -> None:
    cookies = {sessions.begin(CI, HERE) for _ in range(5)}
    assert len(cookies) == 5
    ids = [cookie.partition("=")[2].partition(";")[0] for cookie in cookies]
    assert all(len(one) >= 43 and one not in repr(vars(sessions)) for one in ids)


@pytest.mark.parametrize(("pauses", "is_open"), [
    ([IDLE_SECONDS - 1], True),
    ([IDLE_SECONDS], False),
    ([IDLE_SECONDS - 1] * 10, True),
    ([IDLE_SECONDS - 1] * (int(LONGEST_SECONDS // (IDLE_SECONDS - 1)) + 1), False),
])  # fmt: skip
def test_a_session_ends(sessions: Sessions, clock: Clock, pauses: list[float], is_open: bool) -> None:
    cookie = sent_back(sessions.begin(CI, HERE))
    found = None
    for pause in pauses:
        clock.now += pause
        found = sessions.credential(cookie, HERE, [CI])
    assert (found == CI) is is_open
    assert len(sessions) == is_open


def test_a_session_ends_with_its_token_for_good(sessions: Sessions) -> None:
    cookie = sent_back(sessions.begin(CI, HERE))
    assert sessions.credential(cookie, HERE, [OTHER]) is None
    assert sessions.credential(cookie, HERE, [CI]) is None


def test_another_address_is_let_in_nowhere_and_ends_nothing(sessions: Sessions) -> None:
    cookie = sent_back(sessions.begin(CI, HERE))
    assert sessions.credential(cookie, ELSEWHERE, [CI]) is None
    assert sessions.credential(cookie, f"::ffff:{HERE}", [CI]) == CI, "the same address, as a socket for both says it"


def test_logging_out_ends_one_session(sessions: Sessions) -> None:
    first, second = (sent_back(sessions.begin(CI, HERE)) for _ in range(2))
    gone = sessions.end(first)
    assert "Max-Age=0" in gone
    assert sessions.credential(first, HERE, [CI]) is None
    assert sessions.credential(second, HERE, [CI]) == CI
    assert sessions.end([]) == gone


def test_a_token_has_so_many_sessions_at_most_and_takes_none_from_others(sessions: Sessions) -> None:
    other = sent_back(sessions.begin(OTHER, HERE))
    cookies = [sent_back(sessions.begin(CI, HERE)) for _ in range(SESSIONS_A_TOKEN)]
    assert sessions.credential(cookies[0], HERE, [CI]) == CI
    sessions.begin(CI, HERE)
    assert sessions.credential(cookies[1], HERE, [CI]) is None, "the one that was not used for longest"
    assert sessions.credential(cookies[0], HERE, [CI]) == CI
    assert sessions.credential(other, HERE, [OTHER]) == OTHER


def test_all_together_have_a_limit_too(sessions: Sessions, clock: Clock) -> None:
    for number in range(SESSIONS_AT_MOST + 10):
        sessions.begin(replace(CI, token_sha256=f"{number:064x}"), HERE)
    assert len(sessions) == SESSIONS_AT_MOST
    clock.now += IDLE_SECONDS
    sessions.begin(CI, HERE)
    assert len(sessions) == 1, "those that are over are forgotten"


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        ([b"d8-x=one"], "one"),
        ([b"a=b; d8-x=one;c=d"], "one"),
        ([b"a=b", b"d8-x=one"], "one"),
        ([b"d8-x=one; d8-x=two"], None),
        ([b"d8-x=one", b"d8-x=one"], None),
        ([b"d8-xx=one"], None),
        ([b"d8-x"], ""),
        ([b"d8-x=a=b"], "a=b"),
        ([b"\xff\x00;;=;"], None),
        ([], None),
    ],
)
def test_the_cookie_is_found(headers: list[bytes], value: str | None) -> None:
    assert SessionCookie("d8-x", False).value_in(headers) == value


@pytest.mark.parametrize("value", [b"", b"x" * 5000, b"\xff"])
def test_what_is_no_id_opens_nothing(sessions: Sessions, value: bytes) -> None:
    sessions.begin(CI, HERE)
    assert sessions.credential([sessions.cookie.name.encode() + b"=" + value], HERE, [CI]) is None


def test_the_cookies_attributes() -> None:
    assert session_cookie("pi-1", True).holding("x") == "__Host-d8-pi-1=x; Path=/; HttpOnly; SameSite=Strict; Secure"
    assert session_cookie("pi-1", False).holding("x") == "d8-pi-1=x; Path=/; HttpOnly; SameSite=Strict"
