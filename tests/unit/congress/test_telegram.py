"""The door to Telegram: what goes out fits and is plain, and the token comes back in nothing."""

from __future__ import annotations

import logging
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from d8.congress.telegram import LONGEST_TEXT, Telegram, TelegramFailed, fitted
from d8.masking import encodings_of
from tests.support.telegram import TelegramServer

TOKEN = "123456789:AA/b c%?#é\"'$(x)&ñ\\"


@pytest.fixture
def telegram(httpserver: HTTPServer) -> TelegramServer:
    return TelegramServer(httpserver)


def assert_no_token(text: str) -> None:
    assert "123456789:AA" not in text and not any(form in text for form in encodings_of(TOKEN) if len(form) > 8), text


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """What our side wrote to Python's logging; the server in Telegram's place logs the path that it was asked for."""
    return "\n".join(record.getMessage() for record in caplog.records if record.name != "werkzeug")


def test_the_message_arrives_as_it_is(telegram: TelegramServer) -> None:
    Telegram(telegram.url, TOKEN, "@channel").send("uno\n<b>dos</b> *tres* 🚨")
    assert telegram.paths == [f"/bot{TOKEN}/sendMessage"]
    [message] = telegram.messages
    assert message == {
        "chat_id": "@channel",
        "text": "uno\n<b>dos</b> *tres* 🚨",
        "link_preview_options": {"is_disabled": True},
    }


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://no-such-host.invalid", "http://127.0.0.1:9/prefix", "https://"]
)
def test_an_error_names_no_token_neither_do_its_traceback_and_the_log(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(TelegramFailed) as caught:
        Telegram(url, TOKEN, "1").send("text")
    whole = "".join(traceback.format_exception(caught.value)) + repr(caught.value.message) + logged(caplog)
    assert_no_token(whole)
    assert caught.value.__context__ is None and caught.value.__cause__ is None


def test_debug_logging_of_a_message_that_is_taken_masks_it(
    telegram: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    Telegram(telegram.url, TOKEN, "1").send("text")
    assert "/bot***/sendMessage" in logged(caplog)
    assert_no_token(logged(caplog))


def test_what_telegram_says_is_masked_cut_and_printable(telegram: TelegramServer) -> None:
    telegram.answers.append((400, {"ok": False, "description": f"\x1b[31m{TOKEN} {'x' * 900}"}))
    with pytest.raises(TelegramFailed) as caught:
        Telegram(telegram.url, TOKEN, "1").send("text")
    text = str(caught.value)
    assert_no_token(text)
    assert "\x1b" not in text and len(text) < 300


def test_a_redirect_is_not_followed(telegram: TelegramServer, httpserver: HTTPServer) -> None:
    telegram.answers.append((302, ""))
    with pytest.raises(TelegramFailed, match="not Telegram"):
        Telegram(telegram.url, TOKEN, "1").send("text")
    assert len(telegram.messages) == 1


@given(st.text(max_size=9000))
def test_every_text_fits_one_message(text: str) -> None:
    assert len(fitted(text).encode("utf-16-le", "surrogatepass")) // 2 <= LONGEST_TEXT


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    cut = fitted("begin " + "🚨" * 5000 + " end")
    assert cut.startswith("begin ") and cut.endswith(" end") and "[…]" in cut
    assert fitted("short") == "short"


def test_what_a_slave_printed_can_not_turn_the_text_around() -> None:
    assert fitted("a\x1b[2J\u202eb\r\nc") == "a [2J b \nc"
