"""Files, uploads, the pid file, and which connections may stay."""

from __future__ import annotations

import hashlib
import io
import os
import socket
from pathlib import Path

import pytest

from slave_agent.bootstrap.connections import Admission, Connection, choose_victim
from slave_agent.bootstrap.errors import AlreadyRunning, BadRequest, InvalidRequest, NoRoom, TooBusy
from slave_agent.bootstrap.files import make_private_folder, read_document, write_document
from slave_agent.bootstrap.pid_file import hold_pid_file, running_pid, stop_server
from slave_agent.bootstrap.uploads import UploadFolder


def test_documents_are_private_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "document"
    write_document(path, {"a": "ñ"})
    write_document(path, {"a": 2})
    assert read_document(path) == {"a": 2}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["document"]
    assert read_document(tmp_path / "none") is None


def test_a_folder_that_was_open_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    make_private_folder(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_an_upload_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    folder = UploadFolder(tmp_path / "work")
    answer = folder.receive("a.tar", digest(b"hello").upper(), 5, io.BytesIO(b"hello").read)
    assert answer == {"path": str(tmp_path / "work" / "a.tar"), "size": 5, "sha256": digest(b"hello")}
    assert (tmp_path / "work" / "a.tar").read_bytes() == b"hello"


@pytest.mark.parametrize(("content", "error"), [(b"hell", BadRequest), (b"hallo", InvalidRequest)])
def test_a_damaged_upload_leaves_nothing(tmp_path: Path, content: bytes, error: type[Exception]) -> None:
    folder = UploadFolder(tmp_path)
    with pytest.raises(error):
        folder.receive("a", digest(b"hello"), 5, io.BytesIO(content).read)
    assert list(tmp_path.iterdir()) == []


def test_what_an_interrupted_upload_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".a.1234.part").touch()
    (tmp_path / "kept").touch()
    UploadFolder(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "-a", "a/b", "a b", "ñ", "a\n", "x" * 129])
def test_names_are_plain(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequest):
        UploadFolder(tmp_path).check(name, "0" * 64, 1)


def test_what_does_not_fit_is_refused_before_it_comes(tmp_path: Path) -> None:
    with pytest.raises(NoRoom):
        UploadFolder(tmp_path).check("a", "0" * 64, 10**15)


def test_one_server_a_folder(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    assert running_pid(path) is None
    descriptor = hold_pid_file(path, "en")
    assert running_pid(path) == os.getpid()
    with pytest.raises(AlreadyRunning, match=str(os.getpid())):
        hold_pid_file(path, "en")
    os.close(descriptor)
    assert running_pid(path) is None
    assert stop_server(path) is None


def connection(address: str, idle_since: float | None) -> Connection:
    ours, theirs = socket.socketpair()
    theirs.close()
    one = Connection(ours, address)
    one.idle_since = idle_since
    return one


def close(*connections: Connection) -> None:
    for one in connections:
        one.raw.close()


def test_the_longest_idle_of_the_largest_crowd_goes_first() -> None:
    lonely, older, newer = connection("a", 1), connection("b", 2), connection("b", 3)
    busy = connection("b", None)
    assert choose_victim([lonely, newer, busy, older]) is older
    assert choose_victim([busy]) is None
    assert choose_victim([]) is None
    close(lonely, older, newer, busy)


def test_a_newcomer_takes_the_place_of_an_idle_one_but_never_of_a_busy_one() -> None:
    admission = Admission(most_connections=2)
    idle, busy, third, fourth = (connection("a", moment) for moment in (1.0, None, 2.0, 3.0))
    assert admission.admit(idle) and admission.admit(busy)
    assert admission.admit(third)
    third.idle_since = None
    assert not admission.admit(fourth)
    assert admission.has_work()
    close(idle, busy, third, fourth)


def test_the_waiting_room_has_an_end() -> None:
    admission = Admission(most_busy=1)
    with admission.waiting_room(), pytest.raises(TooBusy), admission.waiting_room():
        pass
    with admission.waiting_room():
        pass
