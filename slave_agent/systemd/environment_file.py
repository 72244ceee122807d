"""The file with an app's environment, quoted as systemd reads it (systemd.exec(5), EnvironmentFile=). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum

from slave_agent.systemd import field_rules
from slave_agent.systemd.errors import SystemdError
from slave_agent.systemd.field_rules import VARIABLE_NAME

_HEADER = "# Made by D8: the environment of an app, for systemd alone to read.\n"
_ESCAPED = re.compile(r'(["\\`$])')
_BACKSLASHED = r"\\\1"


def render_environment(environment: Mapping[str, str]) -> str:
    """Given names and values, return the file's text. Raises SystemdError for what no such file can carry."""
    problem = field_rules.environment(environment)
    if problem is not None:
        raise SystemdError(f"No environment file can be made: {problem}", "Correct the environment.")
    text = _HEADER + "".join(f'{name}="{_ESCAPED.sub(_BACKSLASHED, value)}"\n' for name, value in environment.items())
    if parse_environment(text) != dict(environment):
        raise SystemdError("The environment can't be read back from its file.", "Report this with its names.")
    return text


def parse_environment(text: str) -> dict[str, str]:
    """Given such a file's text, also one written by hand, return names and values as systemd reads them."""
    reading = _Reading()
    for sign in text:
        reading.take(sign)
    reading.end_value()
    return reading.found


class _In(Enum):
    """Where in the file systemd's reading is (parse_env_file in its env-file.c)."""

    BEFORE_NAME = "before a name"
    NAME = "in a name"
    BEFORE_VALUE = "before a value or between its quoted parts"
    VALUE = "in a bare value"
    VALUE_ESCAPE = "after a backslash of a bare value"
    SINGLE = "in single quotes"
    DOUBLE = "in double quotes"
    DOUBLE_ESCAPE = "after a backslash in double quotes"
    COMMENT = "in a comment"
    COMMENT_ESCAPE = "after a backslash of a comment"


_ENDS, _BLANKS, _UNESCAPED = "\n\r", " \t\n\r", '"\\`$'
_OPENS = {"'": _In.SINGLE, '"': _In.DOUBLE, "\\": _In.VALUE_ESCAPE}


class _Reading:
    """One file, sign by sign."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._state, self._name, self._value, self._bare_blanks = _In.BEFORE_NAME, "", "", ""

    def take(self, sign: str) -> None:
        state = self._state
        if state in (_In.SINGLE, _In.DOUBLE, _In.DOUBLE_ESCAPE):
            self._take_quoted(sign)
        elif state is _In.VALUE_ESCAPE:
            self._state = _In.VALUE
            self._value += "" if sign in _ENDS else sign
        elif state in (_In.BEFORE_VALUE, _In.VALUE):
            self._take_bare(sign)
        elif state is _In.COMMENT_ESCAPE:
            self._state = _In.COMMENT
        elif state is _In.COMMENT:
            self._state = {"\\": _In.COMMENT_ESCAPE, "\n": _In.BEFORE_NAME, "\r": _In.BEFORE_NAME}.get(sign, state)
        else:
            self._take_name(sign)

    def end_value(self) -> None:
        """The value is whole: keep it, if its name is one."""
        name = self._name.rstrip(_BLANKS)
        if self._state not in _BEFORE_VALUES and VARIABLE_NAME.match(name):
            self.found[name] = self._value
        self._state, self._name, self._value, self._bare_blanks = _In.BEFORE_NAME, "", "", ""

    def _take_name(self, sign: str) -> None:
        if self._state is _In.BEFORE_NAME and sign in "#;":
            self._state = _In.COMMENT
        elif sign in _ENDS:
            self._state, self._name = _In.BEFORE_NAME, ""
        elif self._state is _In.NAME and sign == "=":
            self._state = _In.BEFORE_VALUE
        elif self._state is _In.NAME or sign not in _BLANKS:
            self._state = _In.NAME
            self._name += sign

    def _take_bare(self, sign: str) -> None:
        is_first = self._state is _In.BEFORE_VALUE
        if sign in _ENDS:
            self.end_value()
        elif sign == "\\" or (is_first and sign in _OPENS):
            self._value, self._bare_blanks = self._value + self._bare_blanks, ""
            self._state = _OPENS[sign]
        elif sign in _BLANKS:
            self._bare_blanks += "" if is_first else sign
        else:
            self._value, self._bare_blanks = self._value + self._bare_blanks + sign, ""
            self._state = _In.VALUE

    def _take_quoted(self, sign: str) -> None:
        if self._state is _In.DOUBLE_ESCAPE:
            self._state = _In.DOUBLE
            self._value += sign if sign in _UNESCAPED else "" if sign == "\n" else "\\" + sign
        elif self._state is _In.DOUBLE and sign == "\\":
            self._state = _In.DOUBLE_ESCAPE
        elif sign == ("'" if self._state is _In.SINGLE else '"'):
            self._state = _In.BEFORE_VALUE
        else:
            self._value += sign


_BEFORE_VALUES = (_In.BEFORE_NAME, _In.NAME, _In.COMMENT, _In.COMMENT_ESCAPE)
