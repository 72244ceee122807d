"""Bounded and durable: numbers grow, the newest stay, half a line of a crash is dropped, a full disk loses nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from slave_agent import json_lines
from slave_agent.json_lines import JsonLines


def test_entries_are_numbered_and_there_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = JsonLines(path, keep=5)
    assert (lines.first_id, lines.last_id, lines.after(0, 10)) == (0, 0, [])
    for number in range(3):
        assert lines.append({"number": number})["id"] == number + 1
    again = JsonLines(path, keep=5)
    assert again.after(0, 10) == lines.after(0, 10)
    assert [entry["number"] for entry in again.after(1, 1)] == [1]
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_newest_stay_and_the_file_stays_bounded(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = JsonLines(path, keep=5)
    for number in range(103):
        lines.append({"number": number})
        assert len(path.read_bytes().splitlines()) <= 11
    assert [entry["id"] for entry in lines.after(0, 100)] == [99, 100, 101, 102, 103]
    again = JsonLines(path, keep=5)
    assert (again.first_id, again.last_id) == (99, 103)
    assert again.append({})["id"] == 104


def test_pages_before_and_after_a_number(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "audit.jsonl", keep=4, share_by="who")
    for who in ("a", "b", "b", "b", "b", "b"):
        lines.append({"who": who})

    def numbers(entries: list[dict[str, object]]) -> list[object]:
        return [entry["id"] for entry in entries]

    assert numbers(lines.newest(10)) == [1, 4, 5, 6], "there is a gap"
    assert numbers(lines.before(6, 2)) == [4, 5]
    assert numbers(lines.before(5, 2)) == [1, 4]
    assert numbers(lines.before(2, 2)) == [1]
    assert (lines.before(1, 2), lines.before(6, 0), lines.newest(0)) == ([], [], [])
    assert numbers(lines.after(1, 2)) == [4, 5]


@pytest.mark.parametrize("cut", range(1, 20))
def test_half_a_line_is_dropped_and_the_next_one_stands_alone(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "events.jsonl"
    lines = JsonLines(path, keep=5)
    lines.append({"number": 0})
    lines.append({"number": 1})
    path.write_bytes(path.read_bytes()[:-cut])
    again = JsonLines(path, keep=5)
    again.append({"number": 2})
    numbers = [entry["number"] for entry in JsonLines(path, keep=5).after(0, 10)]
    assert numbers == ([0, 1, 2] if cut == 1 else [0, 2])


def test_a_foreign_file_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'\xff\xfe\n[]\n{"id": "x"}\n{"id": 3}\n{"id": 2}\n')
    assert [entry["id"] for entry in JsonLines(path, keep=5).after(0, 10)] == [3]


def test_a_disk_that_takes_nothing_for_a_while_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    lines = JsonLines(path, keep=5)
    lines.append({"number": 0})

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(json_lines.os, "fsync", full)
        lines.append({"number": 1})
        assert [entry["number"] for entry in lines.after(0, 10)] == [0, 1]
    assert json_lines.os.fsync is os.fsync
    lines.append({"number": 2})
    assert [entry["number"] for entry in JsonLines(path, keep=5).after(0, 10)] == [0, 1, 2]
