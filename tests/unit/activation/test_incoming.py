"""What root believes of a file that the unprivileged agent received."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
import tarfile
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from d8.fleet.release_signing import ReleaseSigner
from slave_agent.activation import incoming, update
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import remove_tree, write_json
from slave_agent.activation.incoming import (
    accept_update,
    incoming_folder,
    open_incoming,
    reported_update,
    state_file,
    update_state,
)
from slave_agent.activation.layout import Layout
from slave_agent.activation.manifest import PURPOSE
from slave_agent.activation.pruning import prune_releases
from slave_agent.activation.record import Record, RecordStore
from slave_agent.activation.states import CredentialKind, Phase, Scope, Speaker
from slave_agent.activation.update import _unpack, work_on_update

COMMIT, RUNNING = "b" * 40, "a" * 40
PAYLOAD = b"a tar, as far as this is concerned"


class Keeper:
    """Only remembers what was to run apart, and what it said last."""

    def __init__(self) -> None:
        self.detached: list[tuple[str, ...]] = []
        self.last_words: list[str] = []

    def last_lines(self, speaker: Speaker) -> list[str]:
        return self.last_words if speaker is Speaker.UPDATE else []

    def detach(self, verb: str, *words: str) -> None:
        self.detached.append((verb, *words))


@pytest.fixture
def activation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Activation:
    layout = Layout(
        Scope.USER, tmp_path / "opt", tmp_path / "etc", tmp_path / "var", tmp_path / "units", tmp_path / "run"
    )
    for folder in (layout.state, layout.etc, layout.var / "work"):
        folder.mkdir(parents=True)
    layout.release_key.write_text(ReleaseSigner(tmp_path / "pki").public_key + "\n")
    monkeypatch.setattr(incoming, "machine_id", lambda: "this-machine")
    store = RecordStore(layout.record)
    store.save(
        Record(
            phase=Phase.CONFIRMED,
            scope=Scope.USER,
            commit=RUNNING,
            slave_id="slave-1",
            port=7600,
            bind="0.0.0.0",
            tls=True,
            confirm_timeout_seconds=60,
            step_delay_seconds=0,
            bootstrap_user="pi",
            bootstrap_credential=CredentialKind.RESCUE,
            confirmed_commit=RUNNING,
        )
    )
    return Activation(layout, store, Keeper(), None, lambda _seconds: None)  # type: ignore[arg-type]


def send(activation: Activation, payload: bytes = PAYLOAD, pki: str = "pki", **changes: Any) -> str:
    """Leave a release in the agent's work folder, signed by the keys in `pki`; return its name."""
    values: dict[str, Any] = {
        "purpose": PURPOSE,
        "commit": COMMIT,
        "branch": "main",
        "machine_id": "this-machine",
        "sha256": hashlib.sha256(PAYLOAD).hexdigest(),
        "size": len(PAYLOAD),
        "issued": 1000.0,
        "base_image": None,
        "confirm_timeout_seconds": 60,
    }
    manifest = json.dumps({**values, **changes})
    signer = ReleaseSigner(activation.layout.opt.parent / pki)
    head = json.dumps({"manifest": manifest, "signature": signer.sign(manifest)}).encode()
    (activation.layout.var / "work" / "release").write_bytes(head + b"\n" + payload)
    return "release"


def test_a_signed_release_is_taken_over_and_prepared_apart(activation: Activation) -> None:
    assert accept_update(activation, send(activation)) == {"accepted": True, "commit": COMMIT}
    manifest, packed = open_incoming(activation.layout)
    assert manifest.commit == COMMIT and packed.read_bytes() == PAYLOAD
    assert incoming_folder(activation.layout).stat().st_mode & 0o777 == 0o700
    state = update_state(activation.layout)
    assert state is not None and state["state"] == "preparing"
    assert activation.keeper.detached == [("update", "--wait")]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"pki": "another fleet"}, "not signed by this slave's fleet"),
        ({"payload": PAYLOAD + b"x"}, "not what was signed"),
        ({"payload": PAYLOAD[:-1]}, "not what was signed"),
        ({"payload": b"b" + PAYLOAD[1:]}, "not what was signed"),
        ({"machine_id": "another-machine"}, "another machine"),
        ({"purpose": "something else"}, "manifest can't be used"),
        ({"commit": "main"}, "manifest can't be used"),
        ({"confirm_timeout_seconds": 0}, "manifest can't be used"),
        ({"base_image": "--privileged"}, "manifest can't be used"),
        ({"commit": RUNNING}, "runs already"),
    ],
)
def test_anything_else_is_refused_and_leaves_nothing(
    activation: Activation, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ActivationError, match=problem):
        accept_update(activation, send(activation, **changes))
    assert activation.keeper.detached == []  # type: ignore[attr-defined]
    assert update_state(activation.layout) is None


def test_a_worker_that_was_killed_is_told_as_a_failure(activation: Activation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reported_update(activation) is None
    accept_update(activation, send(activation))
    assert reported_update(activation) == {"state": "preparing", "commit": COMMIT, "reason": None, "hint": None}
    later = incoming.clock.boottime_seconds() + 3600
    monkeypatch.setattr(incoming.clock, "boottime_seconds", lambda: later)
    with activation.store.updating():  # somebody is at it
        assert (reported_update(activation) or {})["state"] == "preparing"
    assert (reported_update(activation) or {})["state"] == "failed"
    activation.keeper.last_words += ["preparing", "killed by the OOM killer", "code=killed"]  # type: ignore[attr-defined]
    assert "(preparing | killed by the OOM killer | code=killed)" in (reported_update(activation) or {})["reason"]
    monkeypatch.setattr(incoming.clock, "boottime_seconds", lambda: 0.0)
    assert "restarted" in (reported_update(activation) or {})["reason"]


def test_a_worker_that_finds_nothing_to_work_on_says_so(activation: Activation) -> None:
    accept_update(activation, send(activation))
    remove_tree(incoming_folder(activation.layout))
    with pytest.raises(ActivationError, match="no accepted release"):
        work_on_update(activation)
    assert "no accepted release" in (reported_update(activation) or {})["reason"]


def test_a_failure_that_finds_no_room_to_be_written_down_is_told_once_there_is_some(
    activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept_update(activation, send(activation))

    def write_where_there_is_room(path: Path, values: dict[str, Any]) -> None:
        if incoming_folder(activation.layout).exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        write_json(path, values)

    monkeypatch.setattr(update, "write_json", write_where_there_is_room)
    (activation.layout.opt / "current").mkdir()
    with pytest.raises(ActivationError, match="can't be used"):
        work_on_update(activation)
    assert (reported_update(activation) or {})["state"] == "failed"
    assert not incoming_folder(activation.layout).exists()


def test_a_worker_that_ends_while_it_is_asked_for_is_told_as_it_says(
    activation: Activation, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept_update(activation, send(activation))
    later = incoming.clock.boottime_seconds() + 3600
    monkeypatch.setattr(incoming.clock, "boottime_seconds", lambda: later)

    def ends_meanwhile(_store: RecordStore) -> bool:
        known = {**(update_state(activation.layout) or {}), "state": "failed", "reason": "no such thing"}
        write_json(state_file(activation.layout), known)
        return False

    monkeypatch.setattr(RecordStore, "is_updating", ends_meanwhile)
    assert (reported_update(activation) or {})["reason"] == "no such thing"


def test_who_looks_whether_an_update_goes_on_is_in_no_workers_way(activation: Activation) -> None:
    with activation.store.updating():
        pass
    lock = activation.store.path.with_name("update.lock")
    with lock.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.3, looking.close).start()
        with activation.store.updating() as is_ours:
            assert is_ours
    with activation.store.updating(), activation.store.updating(tries=2) as second:
        assert not second


def test_a_release_in_preparation_is_not_removed_by_who_confirms_meanwhile(activation: Activation) -> None:
    releases = activation.layout.opt / "releases"
    for commit in (RUNNING, COMMIT, "c" * 40):
        (releases / commit).mkdir(parents=True)
    accept_update(activation, send(activation))
    prune_releases(activation, activation.store.load())
    assert {one.name for one in releases.iterdir()} == {RUNNING, COMMIT}
    write_json(state_file(activation.layout), {**(update_state(activation.layout) or {}), "state": "failed"})
    prune_releases(activation, activation.store.load())
    assert [one.name for one in releases.iterdir()] == [RUNNING]


@pytest.mark.parametrize("damage", ["no source", "half", "no tar"])
def test_a_release_that_can_not_be_unpacked_says_so_and_leaves_nothing(activation: Activation, damage: str) -> None:
    inner, outer = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as tar:
        member = tarfile.TarInfo("slave_agent/noise")
        member.size = 100_000
        tar.addfile(member, io.BytesIO(os.urandom(member.size)))
    with tarfile.open(fileobj=outer, mode="w") as tar:
        member = tarfile.TarInfo("source.tar.gz" if damage == "half" else "something.else")
        member.size = 50_000
        tar.addfile(member, io.BytesIO(inner.getvalue()))
    payload = PAYLOAD if damage == "no tar" else outer.getvalue()
    digest = hashlib.sha256(payload).hexdigest()
    accept_update(activation, send(activation, payload, sha256=digest, size=len(payload)))
    (activation.layout.opt / "current").mkdir()
    with pytest.raises(ActivationError, match="can't be used"):
        work_on_update(activation)
    told = reported_update(activation) or {}
    assert told["state"] == "failed" and "can't be used" in told["reason"] and "Free" not in told["hint"]
    assert not incoming_folder(activation.layout).exists()
    assert not activation.layout.release(COMMIT).exists()


def test_a_recording_is_refused(activation: Activation) -> None:
    write_json(state_file(activation.layout), {"state": "staged", "issued": 1000.0})
    with pytest.raises(ActivationError, match="signed before"):
        accept_update(activation, send(activation))
    accept_update(activation, send(activation, issued=1000.5))


@pytest.mark.parametrize("name", ["../credentials.json", "/etc/passwd", "", "--help", ".hidden", "a\n", "absent"])
def test_only_a_file_of_the_work_folder_is_read(activation: Activation, name: str) -> None:
    with pytest.raises(ActivationError):
        accept_update(activation, name)


def test_neither_links_nor_pipes_are_read(activation: Activation, tmp_path: Path) -> None:
    name = send(activation)
    work = activation.layout.var / "work"
    (work / name).rename(tmp_path / "elsewhere")
    (work / name).symlink_to(tmp_path / "elsewhere")
    os.mkfifo(work / "pipe")
    for other in (name, "pipe"):
        with pytest.raises(ActivationError):
            accept_update(activation, other)


def test_a_slave_without_a_key_takes_nothing(activation: Activation) -> None:
    name = send(activation)
    activation.layout.release_key.unlink()
    with pytest.raises(ActivationError, match="no key"):
        accept_update(activation, name)


@pytest.mark.parametrize("head", [b"", b"\n", b"[]\n", b"{}\n", b'{"manifest": 1, "signature": 2}\n', b"[" * 70000])
def test_what_is_no_release_is_refused(activation: Activation, head: bytes) -> None:
    (activation.layout.var / "work" / "release").write_bytes(head)
    with pytest.raises(ActivationError):
        accept_update(activation, "release")


@pytest.mark.parametrize("phase", [Phase.HANDING_OVER, Phase.HANDED_OVER, Phase.RETURNED])
def test_while_something_else_goes_on_nothing_is_taken(activation: Activation, phase: Phase) -> None:
    activation.store.save(replace(activation.store.load(), phase=phase))
    with pytest.raises(ActivationError, match="no moment"):
        accept_update(activation, send(activation))


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_a_signed_archive_stays_below_its_folder_all_the_same(tmp_path: Path, name: str) -> None:
    packed = tmp_path / "packed.tar"
    with tarfile.open(packed, "w") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(ActivationError, match="no plain file"):
        _unpack(packed, tmp_path / "target")
    assert not (tmp_path / "outside").exists()


def test_links_in_an_archive_are_refused(tmp_path: Path) -> None:
    packed = tmp_path / "packed.tar"
    with tarfile.open(packed, "w") as archive:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(ActivationError, match="no plain file"):
        _unpack(packed, tmp_path / "target")
