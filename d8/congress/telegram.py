"""The only module that speaks to Telegram: one call, `sendMessage`, in plain text. Decides nothing about requests.

The bot's token stands in the URL, as Telegram wants it. So no error of the HTTP library, which quotes the URL, leaves
this module, and what that library writes to Python's logging is masked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote

import requests

from d8.causes import innermost_cause
from d8.errors import D8Error
from d8.masking import Masker
from d8.messages import message
from d8.settings import Settings

LONGEST_TEXT = 4096  # UTF-16 units, Telegram's limit for one message
KEPT_END = 1200  # of a text that is too long: its end holds the log's path and what is asked for
TIMEOUTS_SECONDS = (5.0, 10.0)  # to connect, to answer
HURRIED_SECONDS = (2.0, 3.0)  # on the way of a command that has other things to do
LONGEST_DESCRIPTION = 200


class TelegramFailed(D8Error):
    """Telegram did not take the message. `retry_after_seconds`: before that, trying again is of no use."""

    retry_after_seconds = 60.0


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

        Raises TelegramFailed.
        """
        try:
            self._send(text)
        except TelegramFailed as failure:
            if not 0 < failure.retry_after_seconds <= patience_seconds:
                raise
            self._sleep(failure.retry_after_seconds)
            self._send(text)

    def _send(self, text: str) -> None:
        body = {"chat_id": self._chat_id, "text": fitted(text), "link_preview_options": {"is_disabled": True}}
        problem: TelegramFailed | None = None
        with _masked_logging(self._masker), requests.Session() as session:
            try:
                response = session.post(self._url, json=body, timeout=self._timeouts, allow_redirects=False)
            except requests.RequestException as error:
                problem = TelegramFailed(
                    "Telegram can't be reached: {reason}",
                    "Is the internet there, and TELEGRAM_API_URL right?",
                    reason=message("no answer in time")
                    if isinstance(error, requests.Timeout)
                    else self._masker.mask(_reason(error)),
                )
        # Raised outside the handler, so that no traceback carries the library's error with the URL in it.
        if problem:
            raise problem
        self._check(response)

    def _check(self, response: requests.Response) -> None:
        """Raise TelegramFailed unless Telegram says that it took the message."""
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
            raise TelegramFailed(
                "what answers at TELEGRAM_API_URL is not Telegram (HTTP {status})",
                "Is TELEGRAM_API_URL right?",
                status=response.status_code,
            )
        if answer["ok"]:
            return
        said = _printable(self._masker.mask(str(answer.get("description", ""))))[:LONGEST_DESCRIPTION]
        parameters = answer.get("parameters")
        wait = parameters.get("retry_after") if isinstance(parameters, dict) else None
        if response.status_code == 429:
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
        if response.status_code in (401, 404):
            raise TelegramFailed(
                "Telegram does not know the bot: {said}", "Correct TELEGRAM_BOT_TOKEN (from @BotFather).", said=said
            )
        if response.status_code in (400, 403):
            raise TelegramFailed(
                "Telegram refuses the chat: {said}",
                "Correct TELEGRAM_CHAT_ID, and write to the bot once so that it may answer.",
                said=said,
            )
        raise TelegramFailed(
            "Telegram has a problem (HTTP {status}): {said}",
            "D8 sends it again later; now: start_d8.py requests --send",
            status=response.status_code,
            said=said,
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
