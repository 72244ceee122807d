"""One frozen Settings from the environment and .env. Every problem is told at once; nothing is read anywhere else.

The table SETTINGS is the reference: .env.example and docs/reference.md are compared with it by a test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from d8.errors import SettingsError
from d8.messages import Message, message
from d8.models import StrategyName
from d8.settings import parsers
from d8.settings.parsers import Unusable

PROJECT_DIR = Path(__file__).resolve().parents[2]


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
    webhook_secret: str | None
    webhook_is_plain: bool

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values of this object that must never be shown."""
        values = (getattr(self, setting.attribute) for setting in SETTINGS if setting.is_secret)
        return tuple(value for value in values if value)


@dataclass(frozen=True)
class Setting:
    """One variable: its name outside and inside, its default as text, how text becomes a value, what it is for.

    `parse` raises Unusable; `write` gives the text that it reads. The value of one that `is_secret` is never shown.
    """

    variable: str
    attribute: str
    default: str
    parse: Callable[[str], Any]
    meaning: str
    is_secret: bool = False
    write: Callable[[object], str] = parsers.as_text


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "D8_DATA_DIR",
        "data_dir",
        "~/Documents/d8_data",
        parsers.path,
        "Where logs, the registry (d8.db) and the fleet's keys live.",
    ),
    Setting(
        "D8_INSTALLER_DIR",
        "installer_dir",
        str(PROJECT_DIR / "scripts" / "setup"),
        parsers.path,
        "Where generated install scripts land.",
    ),
    Setting("D8_LANG", "language", "", parsers.language, "Language of the screens: es or en. Empty: from the locale."),
    Setting(
        "D8_MASTER_ADDRESS",
        "master_address",
        "",
        parsers.host_or_none,
        "This master's address as slaves see it. Empty: detected.",
    ),
    Setting("D8_SLAVE_PORT", "slave_port", "7600", parsers.port, "Port on which bootstrap and agent listen."),
    Setting(
        "D8_SLAVE_BIND",
        "slave_bind",
        "0.0.0.0",
        parsers.ip_address,
        "Address that the slave's server binds; a VPN address narrows it.",
    ),
    Setting(
        "D8_TLS", "tls", "on", parsers.on_off, "off = plain HTTP, only for a link that is encrypted already (VPN)."
    ),
    Setting(
        "SLAVE_AUTH_TOKEN",
        "slave_auth_token",
        "",
        parsers.token,
        "A fixed token for new installers. Empty (better): a new one each.",
        is_secret=True,
    ),
    Setting(
        "D8_INSTALLER_DAYS",
        "installer_days",
        "7",
        parsers.whole_number(1, 90),
        "Days until an install script and its token expire.",
    ),
    Setting(
        "D8_REPO_URL",
        "repo_url",
        "",
        parsers.repository,
        "Repository to clone on slaves. Empty: the master sends its own commit.",
    ),
    Setting(
        "GIT_TOKEN",
        "git_token",
        "",
        parsers.text_or_none,
        "Token for cloning a private D8_REPO_URL. Never shown, never in a URL.",
        is_secret=True,
    ),
    Setting("D8_BUILD_ATTEMPTS", "attempts", "3", parsers.whole_number(1, 10), "Attempts that each strategy gets."),
    Setting(
        "D8_BUILD_RETRY_DELAY", "retry_delay_seconds", "10", parsers.seconds(0, 600), "Seconds between two attempts."
    ),
    Setting(
        "D8_CONNECT_TIMEOUT",
        "connect_timeout_seconds",
        "5",
        parsers.seconds(0.1, 120),
        "Seconds to wait for a connection.",
    ),
    Setting(
        "D8_COMMAND_TIMEOUT",
        "command_timeout_seconds",
        "300",
        parsers.seconds(1, 86400),
        "Seconds for one ordinary remote command.",
    ),
    Setting(
        "D8_INSTALL_TIMEOUT",
        "install_timeout_seconds",
        "1800",
        parsers.seconds(1, 86400),
        "Seconds for installing packages on a slow slave.",
    ),
    Setting(
        "D8_PACKAGE_LOCK_TIMEOUT",
        "package_lock_seconds",
        "600",
        parsers.seconds(0, 3600),
        "Seconds to wait where another package manager is at work on a slave.",
    ),
    Setting(
        "D8_CONFIRM_TIMEOUT",
        "confirm_timeout_seconds",
        "60",
        parsers.seconds(2, 600),
        "Seconds until an unconfirmed handover is undone.",
    ),
    Setting(
        "D8_STABILISATION",
        "stabilisation_seconds",
        "5",
        parsers.seconds(0, 300),
        "Seconds that a new agent must stay up to count.",
    ),
    Setting(
        "D8_FAN_OUT", "fan_out", "32", parsers.whole_number(1, 128), "Slaves that are asked or built at the same time."
    ),
    Setting(
        "D8_STRATEGIES",
        "strategies",
        "docker,venv,native",
        parsers.strategies,
        "The ways to install the agent, in the order of trying.",
    ),
    Setting(
        "D8_DOCKER_INSTALL",
        "docker_may_be_installed",
        "auto",
        parsers.auto_never,
        "auto: the strategy docker installs Docker where it is missing and may be. never: it is left out there.",
        write=parsers.as_auto_never,
    ),
    Setting(
        "D8_DOCKER_BASE_IMAGE",
        "docker_base_image",
        "python:3.11-slim-bookworm",
        parsers.image,
        "The image that the agent's own is made from: a Debian with Python 3.11 or newer.",
    ),
    Setting(
        "TELEGRAM_BOT_TOKEN",
        "telegram_bot_token",
        "",
        parsers.without_controls,
        "Token of the Telegram bot that tells a person when no strategy worked. Empty: requests stay on this master.",
        is_secret=True,
    ),
    Setting("TELEGRAM_CHAT_ID", "telegram_chat_id", "", parsers.without_controls, "The chat that the bot writes to."),
    Setting(
        "TELEGRAM_API_URL",
        "telegram_api_url",
        "https://api.telegram.org",
        parsers.web_address,
        "Base address of Telegram's API, for a server of your own.",
    ),
    Setting(
        "WEBHOOK_SECRET",
        "webhook_secret",
        "",
        parsers.webhook_secret,
        "The secret of the slaves' webhook, given to a slave when it is built. Empty: the webhook is off.",
        is_secret=True,
    ),
    Setting(
        "D8_WEBHOOK_PLAIN",
        "webhook_is_plain",
        "off",
        parsers.on_off,
        "on = the webhook also takes orders that carry the secret itself instead of a signature.",
    ),
)


def load_settings(environ: Mapping[str, str], env_file: Path | None = None) -> Settings:
    """Given the process environment, return the settings; it wins over .env (D8_ENV_FILE, else the project's own).

    Raises SettingsError that lists every unusable value.
    """
    from dotenv import dotenv_values

    path = env_file or parsers.path(environ.get("D8_ENV_FILE") or str(PROJECT_DIR / ".env"))
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
