"""The syntax of unit files as systemd reads it (systemd.syntax(7)): lines to settings and back. Pure.

Only as much as D8 writes. What systemd would read in another way than a reader expects is an error here, not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Union

from slave_agent.systemd.errors import UnprovenUnit

_ENDS_OF_LINES = re.compile("[\n\r\0]")
_BLANKS = " \t\n\r"
LISTS_OF_WORDS = ("ExecStart", "Environment", "ReadWritePaths")
_TAKES_NO_SPECIFIERS = "CPUQuota"  # its sign of per cent is one
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"(?: |\Z)')

Value = Union[str, "tuple[str, ...]"]


@dataclass(frozen=True)
class Setting:
    """One line of a unit. A value that is a tuple is a list of quoted words, any other stands as it is."""

    section: str
    name: str
    value: Value


def render_settings(settings: Sequence[Setting]) -> str:
    """Given settings in order, return the unit's lines; a new section begins where the name changes."""
    lines: list[str] = []
    section = None
    for setting in settings:
        if setting.section != section:
            lines += ["", f"[{setting.section}]"]
            section = setting.section
        lines.append(f"{setting.name}={_raw(setting)}")
    return "\n".join(lines) + "\n"


def _raw(setting: Setting) -> str:
    if not isinstance(setting.value, str):
        return " ".join(map(quoted, setting.value))
    return setting.value if setting.name == _TAKES_NO_SPECIFIERS else _doubled(setting.value)


def quoted(word: str) -> str:
    """Return a word as systemd's splitting, unescaping and specifiers (in this order) give it back."""
    escaped = _doubled(word).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def read_settings(text: str) -> Iterator[tuple[str, str, str]]:
    """Given a unit's text, yield section, name and raw value of each setting, comments left out.

    Raises UnprovenUnit for what is no such line: text outside of a section, a line that goes on, one without `=`.
    """
    section = ""
    for raw in _ENDS_OF_LINES.split(text):
        line = raw.strip(_BLANKS)
        if not line or line[0] in "#;":
            continue
        if line.endswith("\\"):
            raise UnprovenUnit(f"the line {line[:60]!a} would go on with the next")
        if line[0] == "[" and line[-1] == "]":
            section = line[1:-1]
            continue
        name, sign, value = line.partition("=")
        if not section or not sign:
            raise UnprovenUnit(f"{line[:60]!a} is no setting")
        yield section, name.rstrip(_BLANKS), value.lstrip(_BLANKS)


def value_of(name: str, raw: str) -> Value:
    """Given a setting's name and raw value, return what systemd takes it for. Raises UnprovenUnit."""
    if name in LISTS_OF_WORDS:
        return words_of(raw)
    return raw if name == _TAKES_NO_SPECIFIERS else plain(raw)


def plain(raw: str) -> str:
    """Given a raw value, return what systemd makes of it where it expands specifiers alone. Raises UnprovenUnit."""
    if "%" in raw.replace("%%", ""):
        raise UnprovenUnit(f"{raw[:60]!a} holds a specifier")
    return raw.replace("%%", "%")


def words_of(raw: str) -> tuple[str, ...]:
    """Given a raw value of quoted words, return the words as systemd hands them over. Raises UnprovenUnit."""
    words, position = [], 0
    while position < len(raw):
        match = _QUOTED.match(raw, position)
        if match is None:
            raise UnprovenUnit(f"{raw[position : position + 60]!a} is no quoted word")
        words.append(plain(re.sub(r"\\(.)", r"\1", match[1])))
        position = match.end()
    return tuple(words)


def _doubled(text: str) -> str:
    return text.replace("%", "%%")
