"""What journalctl printed on three Debians, read; and what it is asked. Captured: tests/fixtures/systemd/journal/."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slave_agent.systemd.errors import SystemdError
from slave_agent.systemd.journal import DROPPED, INFO, JournalEntry, JournalQuery, journalctl_argv, parse_entry

PRINTED = Path(__file__).parents[2] / "fixtures" / "systemd" / "journal"
UNIT = "d8-app-talk.service"


@pytest.fixture(params=["debian11", "debian12", "debian13"])
def entries(request: pytest.FixtureRequest) -> list[JournalEntry]:
    lines = (PRINTED / f"{request.param}.jsonl").read_bytes().splitlines()
    found = [entry for line in lines if (entry := parse_entry(line)) is not None]
    assert len(found) == len(lines)
    return found


def test_every_shape_of_a_message_is_read(entries: list[JournalEntry]) -> None:
    own = [entry for entry in entries if entry.unit == UNIT]
    messages = [entry.message for entry in own if "flood" not in entry.message]
    assert messages == [
        "first line",
        "an error",
        "debugging",
        "ünïcödé 日本",
        "\ufffd\ufffd not text",
        "\x1b[31mred\x1b[0m",
        "L" * 6000,
        "tab\there",
        "a 'quote' (and) [brackets] $1.50 *",
        "one\ntwo",
        "",
        "multi\nline",
        "one\ufffd\ntext",
    ]
    priorities = {entry.message: entry.priority for entry in own}
    assert (priorities["an error"], priorities["debugging"], priorities["one\ntwo"]) == (3, 7, 4)
    assert priorities["multi\nline"] == INFO, "9 is no priority"
    assert all(entry.pid for entry in own)


def test_journalds_own_word_on_lost_lines_is_seen(entries: list[JournalEntry]) -> None:
    lost = [entry for entry in entries if entry.is_suppression]
    assert [(entry.dropped, entry.identifier) for entry in lost] == [(58, "systemd-journald")]
    assert UNIT in lost[0].message


def test_the_manager_speaks_of_the_unit_too(entries: list[JournalEntry]) -> None:
    assert any(entry.identifier == "systemd" and "talk" in entry.message for entry in entries)


def test_times_are_utc_with_microseconds(entries: list[JournalEntry]) -> None:
    assert all(re.fullmatch(r"2026-11-22T\d\d:\d\d:\d\d\.\d{6}Z", entry.time) for entry in entries)
    assert parse_entry('{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1"}') == JournalEntry(
        "c", "1970-01-01T00:00:00.000001Z", INFO, ""
    )


def entry(**fields: Any) -> JournalEntry:
    words = {"__CURSOR": "c", "__REALTIME_TIMESTAMP": "1795357370000000", **fields}
    found = parse_entry(json.dumps(words))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (None, "(a text too long to be shown)"),
        ([104, 105], "hi"),
        ([], ""),
        (["a", None, [98]], "a\n(a text too long to be shown)\nb"),
        ([300, 1], "300\n1"),
        (7, "7"),
        ({"a": 1}, "{'a': 1}"),
    ],
)
def test_messages_that_no_program_ought_to_send(message: Any, text: str) -> None:
    assert entry(MESSAGE=message).message == text


def test_fields_that_are_sent_twice_count_once() -> None:
    found = entry(PRIORITY=["3", "6"], _PID=["7"], SYSLOG_IDENTIFIER=["a", "b"], MESSAGE_ID=DROPPED, N_DROPPED="12")
    assert (found.priority, found.pid, found.identifier, found.dropped) == (3, 7, "a", 12)
    assert found.is_suppression and found.as_json()["type"] == "entry"


@pytest.mark.parametrize("line", [b"", b"-- No entries --", b"{", b"[]", b"null", b'"x"', b'{"__CURSOR":"c"}', b"\xff"])
def test_what_is_no_entry_is_none(line: bytes) -> None:
    assert parse_entry(line) is None


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_nothing_that_comes_is_an_exception(line: bytes | str) -> None:
    assert parse_entry(line) is None


def options(**wanted: Any) -> list[str]:
    argv = journalctl_argv(JournalQuery(UNIT, **wanted))
    assert argv[0] == "journalctl" and all(word.startswith("--") for word in argv[1:])
    return argv[1:]


@pytest.mark.parametrize(
    ("wanted", "option"),
    [
        ({}, f"--unit={UNIT}"),
        ({"is_user": True}, f"--user-unit={UNIT}"),
        ({"lines": 5}, "--lines=5"),
        ({"lines": -5}, "--lines=0"),
        ({"priority": 3}, "--priority=3"),
        ({"since": "2026-11-22T14:05:07.5Z"}, "--since=@1795356307.500000"),
        ({"since": "2026-11-22T16:05:07+02:00"}, "--since=@1795356307.000000"),
        ({"until": "2026-11-22T14:05:07"}, "--until=@1795356307.000000"),
        ({"since": "0001-01-01T00:00:00Z"}, "--since=@0.000000"),
        ({"cursor": "s=1f;i=2;b=3;m=4;t=5;x=6"}, "--after-cursor=s=1f;i=2;b=3;m=4;t=5;x=6"),
        ({"follow": True}, "--no-tail"),
        ({"follow": True}, "--merge"),
        ({"follow": True, "lines": 3}, "--follow"),
        ({"is_reversed": True}, "--reverse"),
        ({"grep": "a.b"}, "--grep=a\\x{2e}b"),
        ({"grep": "-x"}, "--grep=\\x{2d}x"),
        ({"grep": "é 1"}, "--grep=é\\x{20}1"),
    ],
)
def test_a_query_is_an_argv_of_whole_options(wanted: dict[str, Any], option: str) -> None:
    assert option in options(**wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        {"since": "yesterday"},
        {"since": "2026-11-22T14:05:07Z --until=now"},
        {"until": ""},
        {"cursor": "x\n"},
        {"cursor": "../../x y"},
        {"cursor": ""},
        {"priority": 8},
        {"priority": -1},
        {"grep": "a\0b"},
        {"grep": "\ud800"},
    ],
)
def test_what_is_no_query_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(SystemdError) as raised:
        options(**wanted)
    assert raised.value.hint


@pytest.mark.parametrize("unit", ["", "d8-app-*.service", "a", "a.service\n", "--help", "../a.service", "a b.service"])
def test_a_unit_is_one_units_name(unit: str) -> None:
    with pytest.raises(SystemdError):
        journalctl_argv(JournalQuery(unit))
