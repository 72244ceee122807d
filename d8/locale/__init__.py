"""The languages of the screens. English is the key; other languages are gettext catalogues in this folder."""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from pathlib import Path

from d8.messages import Translate

FOLDER = Path(__file__).resolve().parent
DOMAIN = "d8"

LANGUAGES = ("en", "es")
LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")

__all__ = ["DOMAIN", "FOLDER", "LANGUAGES", "Translate", "language_of_locale", "translation"]


def translation(language: str) -> Translate:
    """Given es or en, return what turns an English template into that language; without a catalogue: English."""
    return gettext.translation(DOMAIN, FOLDER, [language], fallback=True).gettext


def language_of_locale(environ: Mapping[str, str]) -> str | None:
    """Given the environment, return es or en; None where the locale says neither (C, POSIX, another language). Pure."""
    for variable in LOCALE_VARIABLES:
        value = environ.get(variable, "").lower()
        if value:
            return value[:2] if value[:2] in LANGUAGES and value not in {"c", "posix"} else None
    return None
