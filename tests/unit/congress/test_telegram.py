"""The door to Telegram: what goes out fits and is plain, and the token comes back in nothing."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from d8.congress import telegram as telegram_module
from d8.congress.congress import FIRST_PATIENCE_SECONDS, LEASE
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


@pytest.fixture
def dripping() -> Iterator[Callable[[bytes], str]]:
    """Start a server that answers with a beginning and then, byte by byte, without end; return its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        is_over = threading.Event()

        def serve(beginning: bytes) -> None:
            channel, _ = listener.accept()
            with channel, contextlib.suppress(OSError):
                channel.recv(65536)
                channel.sendall(beginning)
                while not is_over.wait(0.05):
                    channel.sendall(b"a")

        def start(beginning: bytes) -> str:
            threads.append(threading.Thread(target=serve, args=(beginning,)))
            threads[-1].start()
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        threads: list[threading.Thread] = []
        yield start
        is_over.set()
        for thread in threads:
            thread.join(5)


@pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_who_answers_drop_by_drop_is_left_in_time(dripping: Callable[[bytes], str], beginning: bytes) -> None:
    telegram, began = Telegram(dripping(beginning), TOKEN, "1", (0.5, 0.5)), time.monotonic()
    with pytest.raises(TelegramFailed, match="no answer in time"):
        telegram.send("text")
    assert time.monotonic() - began < telegram.longest_seconds()


def test_a_name_service_that_does_not_answer_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()
    monkeypatch.setattr(telegram_module, "NAME_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_words, **_options: [is_over.wait(30)][:0])
    with pytest.raises(TelegramFailed, match="no answer in time") as caught:
        Telegram("http://telegram.invalid", TOKEN, "1", (0.1, 0.1)).send("text")
    assert caught.value.__context__ is None
    is_over.set()


def test_an_endless_answer_is_not_kept(telegram: TelegramServer) -> None:
    telegram.answers.append((200, {"ok": True, "result": "x" * 100_000}))
    with pytest.raises(TelegramFailed, match="is not Telegram"):
        Telegram(telegram.url, TOKEN, "1").send("text")


def test_a_delivery_ends_before_another_process_may_repeat_it() -> None:
    longest = Telegram("http://127.0.0.1:9", TOKEN, "1").longest_seconds(FIRST_PATIENCE_SECONDS)
    assert longest < LEASE.total_seconds()


@given(st.text(max_size=9000))
def test_every_text_fits_one_message(text: str) -> None:
    assert len(fitted(text).encode("utf-16-le", "surrogatepass")) // 2 <= LONGEST_TEXT


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    cut = fitted("begin " + "🚨" * 5000 + " end")
    assert cut.startswith("begin ") and cut.endswith(" end") and "[…]" in cut
    assert fitted("short") == "short"


def test_what_a_slave_printed_can_not_turn_the_text_around() -> None:
    assert fitted("a\x1b[2J\u202eb\r\nc") == "a [2J b \nc"
