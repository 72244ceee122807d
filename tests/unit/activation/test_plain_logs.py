"""A log that nobody else bounds: it does not fill the disk, and its end is read without the rest."""

from __future__ import annotations

from pathlib import Path

from slave_agent.activation import plain_logs


def test_a_log_that_has_grown_too_large_is_emptied_and_its_end_kept_beside_it(tmp_path: Path) -> None:
    log, small = tmp_path / "agent.log", tmp_path / "guard.log"
    small.write_bytes(b"few words\n")
    with log.open("ab") as writer:
        writer.write(b"old\n" + b"x" * plain_logs.LARGEST_BYTES + b"last\n")
        writer.flush()
        plain_logs.bound([log, small, tmp_path / "none.log"])
        writer.write(b"next\n")
    assert log.read_bytes() == b"next\n" and small.read_bytes() == b"few words\n"
    former = tmp_path / "agent.log.1"
    assert former.stat().st_size == plain_logs.LARGEST_BYTES and former.read_bytes().endswith(b"last\n")
    assert former.stat().st_mode & 0o777 == 0o600


def test_where_there_is_no_room_for_what_it_held_it_is_emptied_all_the_same(tmp_path: Path) -> None:
    log = tmp_path / "agent.log"
    log.write_bytes(b"x" * (plain_logs.LARGEST_BYTES + 1))
    log.with_name("agent.log.1").symlink_to("/dev/full")
    plain_logs.bound([log])
    assert [path.name for path in tmp_path.iterdir()] == ["agent.log"] and log.stat().st_size == 0


def test_the_last_lines_of_a_log_of_any_size(tmp_path: Path) -> None:
    log = tmp_path / "agent.log"
    assert plain_logs.last_lines(log, 2) == []
    log.write_bytes(b"one\ntwo\nthr\xffee\n")
    assert plain_logs.last_lines(log, 2) == ["two", "thr\ufffdee"]
    with log.open("wb") as stream:
        stream.truncate(100 * 2**30)  # a hole, which nobody could read in time
        stream.seek(0, 2)
        stream.write(b"\nthe end\n")
    assert plain_logs.last_lines(log, 1) == ["the end"]
