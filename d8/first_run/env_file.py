"""The first .env: a copy of .env.example with the language filled in. Never touches one that is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from d8.files import write_private
from d8.locale import LANGUAGES, language_of_locale


def fill_in(example: str, language: str) -> str:
    """Given the text of .env.example and a language, return the text of .env. Pure."""
    return re.sub(r"^#?D8_LANG=.*$", f"D8_LANG={language}", example, flags=re.MULTILINE)


def ensure_env_file(path: Path, example: Path, environ: Mapping[str, str], ask: Callable[[], str] | None) -> bool:
    """Given where .env belongs, write it (0600) if it is missing; return whether it was written.

    The language comes from D8_LANG, else the locale, else `ask` (None: nobody can be asked, so English).
    """
    if path.exists() or not path.parent.is_dir():
        return False
    chosen = environ.get("D8_LANG", "")
    language = chosen if chosen in LANGUAGES else language_of_locale(environ) or (ask() if ask else "en")
    write_private(path, fill_in(example.read_text(), language))
    return True
