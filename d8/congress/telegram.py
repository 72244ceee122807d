"""The only module that speaks to Telegram: one call, `sendMessage`, in plain text. Decides nothing about requests.

The bot's token stands in the URL, as Telegram wants it. So no error of the HTTP library, which quotes the URL, leaves
this module, and what that library writes to Python's logging is masked.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from d8.causes import innermost_cause
from d8.errors import D8Error
from d8.fleet.deadline import DeadlineAdapter
from d8.masking import Masker
from d8.messages import Message, message
from d8.settings import Settings

LONGEST_TEXT = 4096  # UTF-16 units, Telegram's limit for one message
KEPT_END = 1200  # of a text that is too long: its end holds the log's path and what is asked for
TIMEOUTS_SECONDS = (5.0, 10.0)  # to connect, to answer
HURRIED_SECONDS = (2.0, 3.0)  # on the way of a command that has other things to do
NAME_SECONDS = 3.0  # besides both: the name service, which knows no limit, or another address of the same name
LARGEST_ANSWER_BYTES = 64 * 1024
CHUNK_BYTES = 4096
LONGEST_DESCRIPTION = 200


class TelegramFailed(D8Error):
    """Telegram did not take the message. `retry_after_seconds`: before that, trying again is of no use."""

    retry_after_seconds = 60.0


@dataclass(frozen=True)
class Answer:
    """What came back: the HTTP status, and the body as JSON (None where it is none)."""

    status: int
    document: Any


class Telegram:
    """A bot that writes to one chat. Given Telegram's address, the bot's token, the chat, time limits, how to sleep."""

    def __init__(
        self,
        api_url: str,
        token: str,
        chat_id: str,
        timeouts_seconds: tuple[float, float] = TIMEOUTS_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = f"{api_url}/bot{quote(token, safe=':')}/sendMessage"
        self._masker = Masker([token])
        self._chat_id = chat_id
        self._timeouts = timeouts_seconds
        self._sleep = sleep

    def send(self, text: str, patience_seconds: float = 0.0) -> None:
        """Given a text, send it; when Telegram asks to wait no longer than `patience_seconds`, wait and repeat once.

        Raises TelegramFailed; takes no longer than `longest_seconds`, whatever the other side does.
        """
        try:
            self._send(text)
        except TelegramFailed as failure:
            if not 0 < failure.retry_after_seconds <= patience_seconds:
                raise
            self._sleep(failure.retry_after_seconds)
            self._send(text)

    def longest_seconds(self, patience_seconds: float = 0.0) -> float:
        """Given how long a repetition is waited for, return how long sending may take at most."""
        once = sum(self._timeouts) + NAME_SECONDS
        return once if not patience_seconds else 2 * once + patience_seconds

    def _send(self, text: str) -> None:
        """Ask in a thread of its own, left behind when the time is over: nothing else limits a name service."""
        body = {"chat_id": self._chat_id, "text": fitted(text), "link_preview_options": {"is_disabled": True}}
        answers: queue.SimpleQueue[Answer | TelegramFailed] = queue.SimpleQueue()
        threading.Thread(target=lambda: answers.put(self._ask(body)), name="telegram", daemon=True).start()
        try:
            answer = answers.get(timeout=self.longest_seconds())
        except queue.Empty:
            answer = _unreachable(message("no answer in time"))
        # Raised outside every handler, so that no traceback carries the library's error with the URL in it.
        if isinstance(answer, TelegramFailed):
            raise answer
        self._check(answer)

    def _ask(self, body: dict[str, Any]) -> Answer | TelegramFailed:
        with _masked_logging(self._masker), requests.Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, DeadlineAdapter(time.monotonic))
            try:
                with session.post(
                    self._url, json=body, timeout=self._timeouts, allow_redirects=False, stream=True
                ) as response:
                    return Answer(response.status_code, _document(response))
            except (requests.RequestException, OSError, ValueError) as error:
                is_late = isinstance(innermost_cause(error), TimeoutError) or isinstance(error, requests.Timeout)
                return _unreachable(message("no answer in time") if is_late else self._masker.mask(_reason(error)))

    def _check(self, response: Answer) -> None:
        """Raise TelegramFailed unless Telegram says that it took the message."""
        answer = response.document
        if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
            raise TelegramFailed(
                "what answers at TELEGRAM_API_URL is not Telegram (HTTP {status})",
                "Is TELEGRAM_API_URL right?",
                status=response.status,
            )
        if answer["ok"]:
            return
        said = _printable(self._masker.mask(str(answer.get("description", ""))))[:LONGEST_DESCRIPTION]
        parameters = answer.get("parameters")
        wait = parameters.get("retry_after") if isinstance(parameters, dict) else None
        if response.status == 429:
            seconds = TelegramFailed.retry_after_seconds
            if isinstance(wait, (int, float)) and wait > 0:
                seconds = float(wait)
            failure = TelegramFailed(
                "Telegram asks to wait {seconds} s",
                "D8 sends it again later; now: start_d8.py requests --send",
                seconds=f"{seconds:g}",
            )
            failure.retry_after_seconds = seconds
            raise failure
        if response.status in (401, 404):
            raise TelegramFailed(
                "Telegram does not know the bot: {said}", "Correct TELEGRAM_BOT_TOKEN (from @BotFather).", said=said
            )
        if response.status in (400, 403):
            raise TelegramFailed(
                "Telegram refuses the chat: {said}",
                "Correct TELEGRAM_CHAT_ID, and write to the bot once so that it may answer.",
                said=said,
            )
        raise TelegramFailed(
            "Telegram has a problem (HTTP {status}): {said}",
            "D8 sends it again later; now: start_d8.py requests --send",
            status=response.status,
            said=said,
        )


def _document(response: requests.Response) -> Any:
    """The body as JSON; None where it is none, or too large to be Telegram's."""
    body = b""
    for chunk in response.iter_content(CHUNK_BYTES):
        body += chunk
        if len(body) > LARGEST_ANSWER_BYTES:
            return None
    try:
        return json.loads(body)
    except ValueError:
        return None


def _unreachable(reason: Message | str) -> TelegramFailed:
    return TelegramFailed(
        "Telegram can't be reached: {reason}", "Is the internet there, and TELEGRAM_API_URL right?", reason=reason
    )


def telegram_of(settings: Settings, is_hurried: bool = False) -> Telegram | None:
    """Given the settings, return the bot that they name, or None where they name none."""
    if not settings.telegram_bot_token or not settings.telegram_chat_id:
        return None
    timeouts = HURRIED_SECONDS if is_hurried else TIMEOUTS_SECONDS
    return Telegram(settings.telegram_api_url, settings.telegram_bot_token, settings.telegram_chat_id, timeouts)


def fitted(text: str) -> str:
    """Given any text, return it printable and short enough for one message: what is too much goes from the middle."""
    text = _printable(text)
    if _units(text) <= LONGEST_TEXT:
        return text
    end = _first_units(text[::-1], KEPT_END)[::-1]
    middle = "\n[…]\n"
    return _first_units(text, LONGEST_TEXT - _units(middle) - _units(end)) + middle + end


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _first_units(text: str, units: int) -> str:
    """As many characters as fit into so many UTF-16 units, none of them halved."""
    used = 0
    for index, character in enumerate(text):
        used += 2 if ord(character) > 0xFFFF else 1
        if used > units:
            return text[:index]
    return text


def _printable(text: str) -> str:
    """Output of a slave may stand in it: control characters and overrides of the writing direction become blanks."""
    return "".join(c if c == "\n" or c.isprintable() else " " for c in text)


def _reason(error: Exception) -> str:
    """The innermost cause in a few words; the outer ones quote the URL, and with it the token."""
    cause = innermost_cause(error)
    return cause.strerror or type(cause).__name__ if isinstance(cause, OSError) else type(cause).__name__


@contextmanager
def _masked_logging(masker: Masker) -> Iterator[None]:
    """Whoever turned on debug logging reads the path of the request there: the token in it is masked."""

    def mask(record: logging.LogRecord) -> bool:
        record.msg, record.args = masker.mask(record.getMessage()), ()
        return True

    logger = logging.getLogger("urllib3.connectionpool")
    logger.addFilter(mask)
    try:
        yield
    finally:
        logger.removeFilter(mask)
