from __future__ import annotations

from pathlib import Path

import pytest

from slave_agent.bootstrap.spool import SpoolWriter, Window, read_tail, read_window, spool_size


def test_beyond_the_quota_output_is_dropped_and_said_to_be(tmp_path: Path) -> None:
    spool = SpoolWriter(tmp_path / "out", 10)
    spool.write(b"12345678")
    assert not spool.is_truncated
    spool.write(b"90ab")
    spool.write(b"cd")
    spool.close()
    assert (tmp_path / "out").read_bytes() == b"1234567890"
    assert spool.is_truncated


def test_exactly_the_quota_is_not_truncated(tmp_path: Path) -> None:
    spool = SpoolWriter(tmp_path / "out", 4)
    spool.write(b"1234")
    spool.close()
    assert not spool.is_truncated


def test_a_full_disk_truncates_and_stops_nothing() -> None:
    spool = SpoolWriter(Path("/dev/full"), 100)
    spool.write(b"x")
    spool.write(b"y")
    spool.close()
    assert spool.is_truncated


@pytest.mark.parametrize(
    ("content", "offset", "limit", "is_final", "expected"),
    [
        (b"hello", 0, 100, False, Window("hello", 5)),
        (b"hello", 2, 4, False, Window("llo", 5)),
        (b"hello", 5, 100, False, Window("", 5)),
        (b"hello", 99, 100, True, Window("", 99)),
        ("añb".encode(), 0, 100, False, Window("añb", 4)),
        ("ñ".encode()[:1], 0, 100, False, Window("", 0)),
        ("ñ".encode()[:1], 0, 100, True, Window("\ufffd", 1)),
        ("🤖🤖".encode(), 0, 5, False, Window("🤖", 4)),
        ("🤖🤖".encode(), 0, 1, False, Window("🤖", 4)),
        ("abc🤖".encode(), 0, 4, True, Window("abc", 3)),
        (b"a\xffb", 0, 100, False, Window("a\ufffdb", 3)),
    ],
)
def test_windows_end_where_characters_end(
    tmp_path: Path, content: bytes, offset: int, limit: int, is_final: bool, expected: Window
) -> None:
    path = tmp_path / "out"
    path.write_bytes(content)
    assert read_window(path, offset, limit, is_final) == expected


def test_what_does_not_exist_yet_is_empty(tmp_path: Path) -> None:
    assert read_window(tmp_path / "none", 7, 10, True) == Window("", 7)
    assert spool_size(tmp_path / "none") == 0
    assert read_tail(tmp_path / "none", 10) == ""


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [("hello", 10, "hello"), ("hello", 3, "llo"), ("añ", 1, ""), ("añb", 2, "b"), ("a🤖b", 4, "b"), ("a🤖b", 5, "🤖b")],
)
def test_a_tail_begins_where_a_character_begins(tmp_path: Path, text: str, limit: int, expected: str) -> None:
    (tmp_path / "out").write_text(text, encoding="utf-8")
    assert read_tail(tmp_path / "out", limit) == expected
