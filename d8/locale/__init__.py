"""The languages of the screens. English is the key; other languages are gettext catalogues in this folder."""

from __future__ import annotations

import gettext
from pathlib import Path

from d8.messages import Translate

FOLDER = Path(__file__).resolve().parent
DOMAIN = "d8"

__all__ = ["DOMAIN", "FOLDER", "Translate", "translation"]


def translation(language: str) -> Translate:
    """Given es or en, return what turns an English template into that language; without a catalogue: English."""
    return gettext.translation(DOMAIN, FOLDER, [language], fallback=True).gettext
