"""What of a command line may be shown: the values of secrets never, the rest as it is."""

from __future__ import annotations

import secrets

import pytest

from slave_agent.monitor.masking import ARGUMENTS_AT_MOST, MASK, masked

HIDDEN = "s3cr3t-v4lue-" + "x" * 20

SHOWS_NOTHING = [
    ["--token", HIDDEN],
    ["--token=" + HIDDEN],
    ["--api-key", HIDDEN],
    ["--db-password=" + HIDDEN],
    ["-p", HIDDEN],
    ["DB_PASSWORD=" + HIDDEN],
    ["env", "SECRET_KEY=" + HIDDEN],
    ["postgresql://shop:" + HIDDEN + "@db.example/shop"],
    ["DATABASE_URL=postgresql://shop:" + HIDDEN + "@db.example/shop"],
    ["redis://:" + HIDDEN + "@cache"],
    ["https://shop.example/?a=1&access_token=" + HIDDEN + "&b=2"],
    ["-H", "Authorization: Bearer " + HIDDEN],
    ["-c", "connect(password='" + HIDDEN + "')"],
    ['{"client_secret": "' + HIDDEN + '"}'],
    ["a=1;PASSWORD=" + HIDDEN],
    ["ghp_" + secrets.token_hex(18)],
    ["eyJhbGciOiJI." + secrets.token_hex(18) + ".abc"],
    ["123456789:" + secrets.token_hex(18)],
]


@pytest.mark.parametrize("arguments", SHOWS_NOTHING, ids=range(len(SHOWS_NOTHING)))
def test_secrets_are_replaced(arguments: list[str]) -> None:
    shown = " ".join(masked(["node", *arguments]))
    assert MASK in shown
    assert HIDDEN not in shown
    assert arguments[-1] not in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["/srv/shop/server.js", "--port", "3000"],
        ["-m", "uvicorn", "shop.main:app", "--host", "0.0.0.0", "--port=8000"],
        ["next", "start", "-p", "3000"],
        ["https://shop.example/list?page=2"],
        ["--author=ana", "--keyboard", "qwerty"],
    ],
)
def test_the_rest_is_shown_as_it_is(arguments: list[str]) -> None:
    assert masked(arguments) == tuple(arguments)


def test_the_value_after_a_switch_is_not_taken_for_its_value() -> None:
    assert masked(["--no-token", "--port", "80"]) == ("--no-token", "--port", "80")


def test_it_is_short_enough_for_a_screen() -> None:
    shown = masked(["x" * 5000] * 1000)
    assert len(shown) == ARGUMENTS_AT_MOST + 1
    assert max(map(len, shown)) <= 401
