"""One frozen Settings from the environment and .env. Every problem is told at once; nothing is read anywhere else.

The table SETTINGS is the reference: .env.example and docs/reference.md are compared with it by a test.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from d8.errors import SettingsError
from d8.host_names import host_of, ip_of
from d8.locale import LANGUAGES, language_of_locale
from d8.messages import Message, message
from d8.models import StrategyName

PROJECT_DIR = Path(__file__).resolve().parent.parent
MINIMUM_TOKEN_LENGTH = 16
IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]{0,254}")
PLACEHOLDER_TOKENS = frozenset(
    {"changeme", "change-me", "your-token-here", "your_token_here", "tu-token-aqui", "xxxxxxxxxxxxxxxx"}
)


@dataclass(frozen=True)
class Settings:
    """What the operator decided, checked. Seconds are seconds, paths are absolute."""

    data_dir: Path
    env_file: Path
    installer_dir: Path
    language: str
    master_address: str | None
    slave_port: int
    slave_bind: str
    tls: bool
    slave_auth_token: str | None
    installer_days: int
    repo_url: str | None
    git_token: str | None
    attempts: int
    retry_delay_seconds: float
    connect_timeout_seconds: float
    command_timeout_seconds: float
    install_timeout_seconds: float
    package_lock_seconds: float
    confirm_timeout_seconds: float
    stabilisation_seconds: float
    fan_out: int
    strategies: tuple[StrategyName, ...]
    docker_may_be_installed: bool
    docker_base_image: str
    telegram_bot_token: str | None
    telegram_chat_id: str | None
    telegram_api_url: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of this object that must never be shown."""
        values = (getattr(self, setting.attribute) for setting in SETTINGS if setting.is_secret)
        return tuple(value for value in values if value)


@dataclass(frozen=True)
class Setting:
    """One variable: its name outside and inside, its default as text, how text becomes a value, what it is for.

    `parse` raises Unusable. The value of one that `is_secret` is never shown.
    """

    variable: str
    attribute: str
    default: str
    parse: Callable[[str], Any]
    meaning: str
    is_secret: bool = False


class Unusable(ValueError):
    """A setting's text is of no use; given why, as the end of a sentence that begins with the setting's name."""

    def __init__(self, problem: Message) -> None:
        super().__init__(str(problem))
        self.problem = problem


def _text_or_none(text: str) -> str | None:
    return text or None


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _host_or_none(text: str) -> str | None:
    if text and host_of(text) is None:
        raise Unusable(message("must be an IP address or a name, without a port"))
    return text or None


def _ip_address(text: str) -> str:
    if ip_of(text) is None:
        raise Unusable(message("must be an IP address; 0.0.0.0 and :: stand for all of the machine"))
    return text


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= 65535:
        raise Unusable(message("must be a port number from 1 to 65535"))
    return number


def _whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else lowest - 1
        if not lowest <= number <= highest:
            raise Unusable(message("must be a whole number from {lowest} to {highest}", lowest=lowest, highest=highest))
        return number

    return parse


def _seconds(lowest: float, highest: float) -> Callable[[str], float]:
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


def _on_off(text: str) -> bool:
    if text.lower() not in {"on", "off"}:
        raise Unusable(message("must be on or off"))
    return text.lower() == "on"


def _language(text: str) -> str:
    if not text:
        return language_of_locale(os.environ) or "en"
    if text not in LANGUAGES:
        raise Unusable(message("must be es or en"))
    return text


def _token(text: str) -> str | None:
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


def _repository(text: str) -> str | None:
    if not text:
        return None
    parts = urlsplit(text)
    if parts.username or parts.password:
        raise Unusable(message("holds a user or a password: put the token into GIT_TOKEN and leave the URL without it"))
    if parts.scheme not in {"http", "https", "file", "ssh"}:
        raise Unusable(message("must be an https:// (or http://, ssh://, file://) URL"))
    return text


def _without_controls(text: str) -> str | None:
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise Unusable(message("holds a control character"))
    return text or None


def _strategies(text: str) -> tuple[StrategyName, ...]:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    known = [strategy.value for strategy in StrategyName]
    if not names or not set(names) <= set(known) or len(set(names)) < len(names):
        raise Unusable(
            message("must be names out of {known}, each once, with commas between them", known=", ".join(known))
        )
    return tuple(StrategyName(name) for name in names)


def _auto_never(text: str) -> bool:
    if text.lower() not in {"auto", "never"}:
        raise Unusable(message("must be auto or never"))
    return text.lower() == "auto"


def _image(text: str) -> str:
    if not IMAGE.fullmatch(text):
        raise Unusable(message("must be the name of a Docker image, such as python:3.11-slim-bookworm"))
    return text


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise Unusable(message("must be an https:// (or http://) address without user, query or fragment"))
    return text.rstrip("/")


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "D8_DATA_DIR",
        "data_dir",
        "~/Documents/d8_data",
        _path,
        "Where logs, the registry (d8.db) and the fleet's keys live.",
    ),
    Setting(
        "D8_INSTALLER_DIR",
        "installer_dir",
        str(PROJECT_DIR / "scripts" / "setup"),
        _path,
        "Where generated install scripts land.",
    ),
    Setting("D8_LANG", "language", "", _language, "Language of the screens: es or en. Empty: from the locale."),
    Setting(
        "D8_MASTER_ADDRESS",
        "master_address",
        "",
        _host_or_none,
        "This master's address as slaves see it. Empty: detected.",
    ),
    Setting("D8_SLAVE_PORT", "slave_port", "7600", _port, "Port on which bootstrap and agent listen."),
    Setting(
        "D8_SLAVE_BIND",
        "slave_bind",
        "0.0.0.0",
        _ip_address,
        "Address that the slave's server binds; a VPN address narrows it.",
    ),
    Setting("D8_TLS", "tls", "on", _on_off, "off = plain HTTP, only for a link that is encrypted already (VPN)."),
    Setting(
        "SLAVE_AUTH_TOKEN",
        "slave_auth_token",
        "",
        _token,
        "A fixed token for new installers. Empty (better): a new one each.",
        is_secret=True,
    ),
    Setting(
        "D8_INSTALLER_DAYS",
        "installer_days",
        "7",
        _whole_number(1, 90),
        "Days until an install script and its token expire.",
    ),
    Setting(
        "D8_REPO_URL",
        "repo_url",
        "",
        _repository,
        "Repository to clone on slaves. Empty: the master sends its own commit.",
    ),
    Setting(
        "GIT_TOKEN",
        "git_token",
        "",
        _text_or_none,
        "Token for cloning a private D8_REPO_URL. Never shown, never in a URL.",
        is_secret=True,
    ),
    Setting("D8_BUILD_ATTEMPTS", "attempts", "3", _whole_number(1, 10), "Attempts that each strategy gets."),
    Setting("D8_BUILD_RETRY_DELAY", "retry_delay_seconds", "10", _seconds(0, 600), "Seconds between two attempts."),
    Setting(
        "D8_CONNECT_TIMEOUT", "connect_timeout_seconds", "5", _seconds(0.1, 120), "Seconds to wait for a connection."
    ),
    Setting(
        "D8_COMMAND_TIMEOUT",
        "command_timeout_seconds",
        "300",
        _seconds(1, 86400),
        "Seconds for one ordinary remote command.",
    ),
    Setting(
        "D8_INSTALL_TIMEOUT",
        "install_timeout_seconds",
        "1800",
        _seconds(1, 86400),
        "Seconds for installing packages on a slow slave.",
    ),
    Setting(
        "D8_PACKAGE_LOCK_TIMEOUT",
        "package_lock_seconds",
        "600",
        _seconds(0, 3600),
        "Seconds to wait where another package manager is at work on a slave.",
    ),
    Setting(
        "D8_CONFIRM_TIMEOUT",
        "confirm_timeout_seconds",
        "60",
        _seconds(2, 600),
        "Seconds until an unconfirmed handover is undone.",
    ),
    Setting(
        "D8_STABILISATION",
        "stabilisation_seconds",
        "5",
        _seconds(0, 300),
        "Seconds that a new agent must stay up to count.",
    ),
    Setting("D8_FAN_OUT", "fan_out", "32", _whole_number(1, 128), "Slaves that are asked or built at the same time."),
    Setting(
        "D8_STRATEGIES",
        "strategies",
        "docker,venv,native",
        _strategies,
        "The ways to install the agent, in the order of trying.",
    ),
    Setting(
        "D8_DOCKER_INSTALL",
        "docker_may_be_installed",
        "auto",
        _auto_never,
        "auto: the strategy docker installs Docker where it is missing and may be. never: it is left out there.",
    ),
    Setting(
        "D8_DOCKER_BASE_IMAGE",
        "docker_base_image",
        "python:3.11-slim-bookworm",
        _image,
        "The image that the agent's own is made from: a Debian with Python 3.11 or newer.",
    ),
    Setting(
        "TELEGRAM_BOT_TOKEN",
        "telegram_bot_token",
        "",
        _without_controls,
        "Token of the Telegram bot that tells a person when no strategy worked. Empty: requests stay on this master.",
        is_secret=True,
    ),
    Setting("TELEGRAM_CHAT_ID", "telegram_chat_id", "", _without_controls, "The chat that the bot writes to."),
    Setting(
        "TELEGRAM_API_URL",
        "telegram_api_url",
        "https://api.telegram.org",
        _web_address,
        "Base address of Telegram's API, for a server of your own.",
    ),
)


def load_settings(environ: Mapping[str, str], env_file: Path | None = None) -> Settings:
    """Given the process environment, return the settings; it wins over .env (D8_ENV_FILE, else the project's own).

    Raises SettingsError that lists every unusable value.
    """
    from dotenv import dotenv_values

    path = env_file or _path(environ.get("D8_ENV_FILE") or str(PROJECT_DIR / ".env"))
    from_file = (
        {key: value or "" for key, value in dotenv_values(path, interpolate=False).items()} if path.is_file() else {}
    )
    return read_settings({**from_file, **environ}, path)


def read_settings(values: Mapping[str, str], env_file: Path) -> Settings:
    """Given merged variables, return checked settings. Raises SettingsError with all problems.

    Asks the machine for two things only: what `~` is and, where D8_LANG is empty, the language of its locale.
    """
    parsed: dict[str, Any] = {"env_file": env_file}
    problems: list[Message] = []
    for setting in SETTINGS:
        text = values.get(setting.variable, "").strip() or setting.default
        try:
            parsed[setting.attribute] = setting.parse(text)
        except ValueError as error:  # not ours: a URL that the library can't take apart
            problem = error.problem if isinstance(error, Unusable) else message("can't be read: {reason}", reason=error)
            problems.append(message("{variable} {problem}", variable=setting.variable, problem=problem))
    if problems:
        raise SettingsError(
            "unusable settings: {problems}",
            "Correct them in {env_file} or in the environment.",
            problems=problems,
            env_file=env_file,
        )
    return Settings(**parsed)


assert {setting.attribute for setting in SETTINGS} | {"env_file"} == {field.name for field in fields(Settings)}  # noqa: S101
