"""PURE: command lines as they may be shown. Values that look like secrets become ***, by their name or their form."""

from __future__ import annotations

import re
from collections.abc import Sequence

MASK = "***"
ARGUMENTS_AT_MOST = 60
ARGUMENT_CHARACTERS = 400
_READ_AT_MOST = 8192
_TELLING_NAME = (
    r"[\w.-]*(?:token|secret|passw(?:or)?d|passphrase|passwd|pwd|api[-_]?key|access[-_]?key|private[-_]?key|"
    r"credential|authorization|bearer|cookie|dsn|connection[-_]?string|database[-_]?url)[\w.-]*"
)
_NAMED = re.compile(rf"(?i)((?:^|[^\w?&.-])-{{0,2}}{_TELLING_NAME}['\"]?\s*[=:]\s*)\S.*", re.DOTALL)
_IN_QUERY = re.compile(rf"(?i)([?&]{_TELLING_NAME}=)[^&#\s]+")
_OPTION = re.compile(rf"(?i)--?{_TELLING_NAME}\Z")
_SHORT_PASSWORD_OPTION = "-p"  # noqa: S105  of database clients; where a number follows, it is a port
_USER_INFO = re.compile(r"([A-Za-z][\w+.-]*://[^/\s:@]*:)[^/\s@]+(@)")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
_WELL_KNOWN = re.compile(
    r"\b(?:gh[pousr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|sk-[\w-]{16,}|AKIA[A-Z0-9]{12,}|"
    r"eyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*|\d{8,10}:[\w-]{30,})"
)


def masked(command_line: Sequence[str]) -> tuple[str, ...]:
    """Given an argv, return it with what looks like a secret replaced, shortened to what a screen can take."""
    shown: list[str] = []
    before = ""
    for argument in command_line[:ARGUMENTS_AT_MOST]:
        shown.append(MASK if _is_value_of(before, argument) else masked_text(argument))
        before = argument
    if len(command_line) > ARGUMENTS_AT_MOST:
        shown.append("…")
    return tuple(shown)


def masked_text(text: str) -> str:
    """Given one argument, return it without what looks like a secret in it, cut to 400 characters."""
    text = _IN_QUERY.sub(rf"\g<1>{MASK}", text[:_READ_AT_MOST])
    text = _NAMED.sub(rf"\g<1>{MASK}", text)
    text = _USER_INFO.sub(rf"\g<1>{MASK}\g<2>", text)
    text = _BEARER.sub(rf"\g<1> {MASK}", text)
    text = _WELL_KNOWN.sub(MASK, text)
    return text if len(text) <= ARGUMENT_CHARACTERS else text[:ARGUMENT_CHARACTERS] + "…"


def _is_value_of(option: str, argument: str) -> bool:
    if option == _SHORT_PASSWORD_OPTION:
        return not argument.isdigit()
    return _OPTION.match(option) is not None and not argument.startswith("--")
