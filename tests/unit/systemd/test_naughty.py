"""Every naughty text in every field of an app: refused, or it comes back from the unit exactly as it was given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slave_agent.systemd.environment_file import parse_environment, render_environment
from slave_agent.systemd.errors import InvalidConfig
from slave_agent.systemd.service_config import ServiceConfig, config_from, document_of, problems_in
from slave_agent.systemd.service_generator import Placement, is_untouched, parse_unit, render_unit
from slave_agent.systemd.unit_reader import settings_in
from tests.support.naughty import FIELDS, NAUGHTY, PLAIN, documents

SYSTEM = Placement(is_user=False, environment_file="/etc/d8-agent/apps/naughty.env", interpreter="/usr/bin/python3")
USER = Placement(True, "/home/pi/my apps/naughty.env", "/home/pi/.venv/bin/python", "default.target")
BASE = {one.name for one in settings_in(render_unit(config_from(PLAIN), SYSTEM))}
MAY_APPEAR = {"Description", "Wants", "MemoryMax", "CPUQuota", "TasksMax", "Interpreter", "Host", "Port"}
STRICT = {"UMask", "MemoryDenyWriteExecute", "ProtectHome", "ProtectClock", "ProtectProc", "PrivateDevices"}
MAY_APPEAR |= {*STRICT, "DevicePolicy", "ReadWritePaths"}


def outcome(document: dict[str, Any]) -> ServiceConfig | None:
    """None when the document is refused; else the app, after its unit and environment have given it back exactly."""
    problems = problems_in(document)
    if problems:
        with pytest.raises(InvalidConfig):
            config_from(document)
        assert all(one.message and str(one).isprintable() for one in problems)
        return None
    config = config_from(document)
    for placement in (SYSTEM, USER):
        text = render_unit(config, placement)
        assert parse_unit(text) == replace(config, environment={})
        assert is_untouched(text)
        names = [one.name for one in settings_in(text)]
        assert set(names) <= BASE | MAY_APPEAR
        assert names.count("ExecStart") == 1 and len([name for name in names if name.startswith("Exec")]) == 1
        assert config.script in text.replace("%%", "%").replace('\\"', '"')
    assert parse_environment(render_environment(config.environment)) == config.environment
    assert config_from(document_of(config, with_environment=True)) == config
    return config


@pytest.mark.parametrize("field", FIELDS)
def test_every_text_is_refused_or_comes_back(field: str) -> None:
    for name, text in NAUGHTY.items():
        document = {**PLAIN, **FIELDS[field](text)}
        config = outcome(document)
        assert config is None or text_in(config, field) == text, name


def text_in(config: ServiceConfig, field: str) -> Any:
    """Return what an accepted app holds where the text was put."""
    word = field.split(" ")[-1] if field.startswith("strict") else field.split(" ")[0]
    found: Any = {
        "argument": lambda: config.arguments[1 if len(config.arguments) > 1 else 0],
        "value": lambda: config.environment["VALUE"],
        "variable": lambda: next(iter(config.environment)),
        "after": lambda: config.after[0],
        "wants": lambda: config.wants[1],
    }.get(word, lambda: getattr(config, word))
    return found()


def test_the_table_is_wide() -> None:
    assert len(NAUGHTY) > 180 and len(documents()) > 5000


ALLOWED = {  # fields that take almost any text: what of the table they have to take
    "argument": ("a variable", "a specifier", "an end of the word", "a backslash", "nothing", "an option", "a star"),
    "value": ("a variable", "a specifier", "a quote after two", "a closing backslash", "blanks around", "turned text"),
    "description": ("a section in one line", "a specifier", "a quote", "a comment", "nothing"),
    "script of python": ("a path with blanks", "a path with quotes", "a path with a specifier", "a path with a star"),
    "working_dir": ("a path with blanks", "a path with quotes", "a path with letters of the world", "the root"),
}


@pytest.mark.parametrize("field", ALLOWED)
def test_what_is_harmless_is_not_refused(field: str) -> None:
    refused = [name for name in ALLOWED[field] if outcome({**PLAIN, **FIELDS[field](NAUGHTY[name])}) is None]
    assert refused == []


REFUSED_EVERYWHERE = [name for name, text in NAUGHTY.items() if name.startswith("control")]
REFUSED_EVERYWHERE += ["line separator", "paragraph separator", "a half character", "no character", "the last number"]


@pytest.mark.parametrize("field", FIELDS)
def test_what_ends_a_line_is_refused_in_every_field(field: str) -> None:
    taken = [name for name in REFUSED_EVERYWHERE if outcome({**PLAIN, **FIELDS[field](NAUGHTY[name])}) is not None]
    assert taken == []


@given(st.sampled_from(sorted(FIELDS)), st.text(max_size=60))
def test_any_text_is_refused_or_comes_back(field: str, text: str) -> None:
    config = outcome({**PLAIN, **FIELDS[field](text)})
    assert config is None or text_in(config, field) == text


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*PLAIN, "environment", "arguments", "port", "after"]), ANY_JSON) | ANY_JSON)
def test_any_document_has_problems_or_is_an_app(document: Any) -> None:
    if isinstance(document, dict):
        outcome({**PLAIN, **document})
    assert problems_in(document)


SIGNS = st.text(alphabet="\"'\\$%`; \t=#{}[]~-*ax\n\r0é", max_size=20)


@given(st.lists(SIGNS, max_size=5), st.dictionaries(st.sampled_from("ABC"), SIGNS))
def test_signs_of_systemd_in_arguments_and_environment(arguments: list[str], environment: dict[str, str]) -> None:
    config = outcome({**PLAIN, "arguments": arguments, "environment": environment})
    texts = [*arguments, *environment.values()]
    assert (config is None) == any(sign in text for text in texts for sign in "\t\n\r")
