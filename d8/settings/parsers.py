"""How the text of a setting becomes its value, and a value its text again.

Each parser raises Unusable, or ValueError where a library does.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from d8.host_names import host_of, ip_of
from d8.locale import LANGUAGES, language_of_locale
from d8.messages import Message, message
from d8.models import StrategyName

MINIMUM_TOKEN_LENGTH = 16
WEBHOOK_SECRET = re.compile(r"[\x21-\x7e]{16,200}")
IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]{0,254}")
PLACEHOLDER_TOKENS = frozenset(
    {"changeme", "change-me", "your-token-here", "your_token_here", "tu-token-aqui", "xxxxxxxxxxxxxxxx"}
)


class Unusable(ValueError):
    """A setting's text is of no use; given why, as the end of a sentence that begins with the setting's name."""

    def __init__(self, problem: Message) -> None:
        super().__init__(str(problem))
        self.problem = problem


def text_or_none(text: str) -> str | None:
    """Any text; None where it is empty."""
    return text or None


def path(text: str) -> Path:
    """An absolute path; `~` is the home."""
    return Path(text).expanduser().absolute()


def host_or_none(text: str) -> str | None:
    """An IP address or a name; None where it is empty."""
    if text and host_of(text) is None:
        raise Unusable(message("must be an IP address or a name, without a port"))
    return text or None


def ip_address(text: str) -> str:
    """An IP address."""
    if ip_of(text) is None:
        raise Unusable(message("must be an IP address; 0.0.0.0 and :: stand for all of the machine"))
    return text


def port(text: str) -> int:
    """A port number."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= 65535:
        raise Unusable(message("must be a port number from 1 to 65535"))
    return number


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """Given the limits, return the parser of whole numbers within them."""

    def parse(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else lowest - 1
        if not lowest <= number <= highest:
            raise Unusable(message("must be a whole number from {lowest} to {highest}", lowest=lowest, highest=highest))
        return number

    return parse


def seconds(lowest: float, highest: float) -> Callable[[str], float]:
    """Given the limits, return the parser of seconds within them."""

    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = lowest - 1
        if not lowest <= number <= highest:
            raise Unusable(
                message("must be seconds, from {lowest} to {highest}", lowest=f"{lowest:g}", highest=f"{highest:g}")
            )
        return number

    return parse


def on_off(text: str) -> bool:
    """`on` or `off`."""
    if text.lower() not in {"on", "off"}:
        raise Unusable(message("must be on or off"))
    return text.lower() == "on"


def language(text: str) -> str:
    """A language of the screens; where it is empty, that of the locale."""
    if not text:
        return language_of_locale(os.environ) or "en"
    if text not in LANGUAGES:
        raise Unusable(message("must be es or en"))
    return text


def token(text: str) -> str | None:
    """A secret that is strong enough and fits into a header; None where it is empty."""
    if not text:
        return None
    if text.lower() in PLACEHOLDER_TOKENS:
        raise Unusable(
            message("still holds the sample value: leave it empty and a strong token is made for each installer")
        )
    if len(text) < MINIMUM_TOKEN_LENGTH:
        raise Unusable(
            message(
                "is shorter than {least} characters: leave it empty and a strong one is made",
                least=MINIMUM_TOKEN_LENGTH,
            )
        )
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise Unusable(message("holds a control character, which no HTTP header can carry"))
    return text


def webhook_secret(text: str) -> str | None:
    """A secret that the agent's webhook takes; None where it is empty."""
    if not text:
        return None
    if not WEBHOOK_SECRET.fullmatch(text):
        raise Unusable(message("must be 16 to 200 printable ASCII characters without spaces"))
    if text.startswith("whsec_"):
        try:
            key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
        except ValueError:
            key = b""
        if len(key) < MINIMUM_TOKEN_LENGTH:
            raise Unusable(message("begins with whsec_, so at least 16 bytes in base64 must follow"))
    return text


def repository(text: str) -> str | None:
    """The URL of a repository, without a secret in it; None where it is empty."""
    if not text:
        return None
    parts = urlsplit(text)
    if parts.username or parts.password:
        raise Unusable(message("holds a user or a password: put the token into GIT_TOKEN and leave the URL without it"))
    if parts.scheme not in {"http", "https", "file", "ssh"}:
        raise Unusable(message("must be an https:// (or http://, ssh://, file://) URL"))
    return text


def without_controls(text: str) -> str | None:
    """Text that can be shown; None where it is empty."""
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise Unusable(message("holds a control character"))
    return text or None


def strategies(text: str) -> tuple[StrategyName, ...]:
    """Names of strategies, each once."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    known = [strategy.value for strategy in StrategyName]
    if not names or not set(names) <= set(known) or len(set(names)) < len(names):
        raise Unusable(
            message("must be names out of {known}, each once, with commas between them", known=", ".join(known))
        )
    return tuple(StrategyName(name) for name in names)


def auto_never(text: str) -> bool:
    """`auto` or `never`."""
    if text.lower() not in {"auto", "never"}:
        raise Unusable(message("must be auto or never"))
    return text.lower() == "auto"


def image(text: str) -> str:
    """The name of a Docker image."""
    if not IMAGE.fullmatch(text):
        raise Unusable(message("must be the name of a Docker image, such as python:3.11-slim-bookworm"))
    return text


def web_address(text: str) -> str:
    """The address of a web server, without a slash at its end."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise Unusable(message("must be an https:// (or http://) address without user, query or fragment"))
    return text.rstrip("/")


def as_text(value: object) -> str:
    """Given a setting's value, return the text that gives it: `on` or `off`, names with commas; nothing for None."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def as_auto_never(value: object) -> str:
    """The text that auto_never reads."""
    return "auto" if value else "never"
