"""Who is in charge: real code of a release in a folder of its own, and a helper's socket that answers or does not."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slave_agent.activation.charge import commit_in_charge, put_in_charge, switch_code, take_charge
from slave_agent.activation.commands import Commands
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.layout import Layout
from slave_agent.activation.plain_keeper import PlainKeeper
from slave_agent.activation.record import Record, RecordStore
from slave_agent.activation.states import CredentialKind, Fallback, Phase, Scope

OLD, NEW = "a" * 40, "b" * 40
PROJECT = Path(__file__).resolve().parents[3]
BROKEN = "\n\ndef decide(seen):\n    raise ValueError('no decision')\n"


@pytest.fixture
def activation(tmp_path: Path) -> Activation:
    """A release that runs, with its code in charge, and a new one beside it."""
    opt = tmp_path / "d8-agent" / "opt"
    layout = Layout(Scope.NOHUP, opt, tmp_path / "etc", tmp_path / "var", tmp_path / "units", tmp_path / "run")
    for commit in (OLD, NEW):
        release = layout.release(commit)
        shutil.copytree(PROJECT / "slave_agent", release / "slave_agent", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(release / "slave_agent/activation/d8-activate", release / "d8-activate")
    layout.state.mkdir()
    store = RecordStore(layout.record)
    store.save(
        Record(
            phase=Phase.HANDED_OVER,
            scope=Scope.NOHUP,
            commit=NEW,
            slave_id="slave-1",
            port=1,
            bind="127.0.0.1",
            tls=True,
            confirm_timeout_seconds=60,
            step_delay_seconds=0,
            bootstrap_user=None,
            bootstrap_credential=CredentialKind.RESCUE,
            confirmed_commit=OLD,
            falls_back_to=Fallback.RELEASE,
        )
    )
    switch_code(layout, layout.release(OLD))
    runner = Commands()
    return Activation(layout, store, PlainKeeper(layout, runner), runner, lambda _seconds: None)


def test_a_release_that_works_takes_charge_with_a_copy_of_its_own(activation: Activation) -> None:
    layout = activation.layout
    assert commit_in_charge(layout) == OLD
    put_in_charge(activation, NEW)
    assert commit_in_charge(layout) == NEW
    assert {copy.name.partition("-")[0] for copy in (layout.opt / "controls").iterdir()} == {OLD, NEW}
    put_in_charge(activation, NEW)  # twice is once
    assert len(list((layout.opt / "controls").iterdir())) == 2


def test_one_whose_guard_is_broken_does_not(activation: Activation) -> None:
    guard = activation.layout.release(NEW) / "slave_agent/activation/guard.py"
    guard.write_text(guard.read_text() + BROKEN)
    with pytest.raises(ActivationError, match=r"guard of the release does not work.*no decision"):
        put_in_charge(activation, NEW)
    assert commit_in_charge(activation.layout) == OLD
    assert [copy.name.partition("-")[0] for copy in (activation.layout.opt / "controls").iterdir()] == [OLD]


def test_units_that_systemd_refuses_change_nothing(activation: Activation, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_files: dict[str, str]) -> None:
        raise ActivationError("systemd refuses a unit", "")

    monkeypatch.setattr(activation.keeper, "place", refuse)
    with pytest.raises(ActivationError, match="refuses"):
        take_charge(activation, activation.layout.release(NEW))
    assert commit_in_charge(activation.layout) == OLD


@contextmanager
def helper(path: Path, answer: bytes) -> Iterator[None]:
    """Says the same to everybody who asks something."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, connection.makefile("rb") as lines:
                    if answer:
                        lines.readline()
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_roots_helper_has_to_answer(activation: Activation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "helper.sock"
    monkeypatch.setattr(Layout, "helper_socket", path)
    with pytest.raises(ActivationError, match="helper of the release does not answer"):
        put_in_charge(activation, OLD)
    with helper(path, b'{"ok": true}\n'):
        put_in_charge(activation, OLD)


@pytest.mark.parametrize("answer", [b"", b"Traceback\n", b'{"ok": false, "error": "no"}\n'])
def test_a_helper_that_ends_or_refuses_is_told(
    activation: Activation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    path = tmp_path / "helper.sock"
    monkeypatch.setattr(Layout, "helper_socket", path)
    with helper(path, answer), pytest.raises(ActivationError, match="helper of the release does not answer"):
        put_in_charge(activation, OLD)
