"""The installer's server gets its port back, or nothing changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from slave_agent.activation import giving_back
from slave_agent.activation.commands import Finished
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.layout import Layout, layout_for
from slave_agent.activation.record import Record, RecordStore
from slave_agent.activation.states import CredentialKind, Phase, Scope

NOBODY = 65000


class Keeper:
    """Only remembers what it was told, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def __getattr__(self, name: str):
        return lambda *_words: self.told.append(name) or Finished((), 0, "", "")


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The installer's folder, whole."""
    folder = tmp_path / "d8_slave"
    folder.mkdir()
    for name in ("slave_server.py", "config.json", "server.crt"):
        (folder / name).write_text("{}")
    return folder


@pytest.fixture
def activation(tmp_path: Path, keeper: Keeper, home: Path, monkeypatch: pytest.MonkeyPatch) -> Activation:
    monkeypatch.setattr(giving_back, "wait_for", lambda *_words: True)
    layout: Layout = layout_for(Scope.CRON, tmp_path / "opt", tmp_path, 1000)
    layout.state.mkdir(parents=True)
    record = Record(
        phase=Phase.ROLLED_BACK,
        scope=Scope.CRON,
        commit="a" * 40,
        slave_id="slave-192-0-2-4",
        port=NOBODY,
        bind="127.0.0.1",
        tls=True,
        confirm_timeout_seconds=60,
        step_delay_seconds=0,
        bootstrap_user="pi",
        bootstrap_credential=CredentialKind.INSTALLER,
        installer_folder=str(home),
        installer_secrets=(str(home / "config.json"), str(home / "server.crt")),
    )
    store = RecordStore(layout.record)
    store.save(record)
    return Activation(layout, store, keeper, None, lambda _: None)  # type: ignore[arg-type]


STARTED = ["stop_bootstrap", "close_port", "start_installers_server"]


def holding_the_port(monkeypatch: pytest.MonkeyPatch, *looks: bool) -> None:
    """Whether it is the installer's server that has the port, look by look."""
    told = iter(looks)
    monkeypatch.setattr(giving_back, "installers_server_runs", lambda *_words: next(told))


def test_the_copy_ends_before_the_installers_server_starts(
    activation: Activation, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding_the_port(monkeypatch, False, False, True)
    assert giving_back.give_back(activation, activation.store.load()) is True
    assert keeper.told == ["stop_swap", *STARTED]


def test_the_guard_leaves_the_port_alone_meanwhile(
    activation: Activation, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding_the_port(monkeypatch, False, False, True)
    seen: list[bool] = []
    monkeypatch.setattr(giving_back, "wait_for", lambda *_words: seen.append(activation.store.is_swapping()) or True)
    giving_back.give_back(activation, activation.store.load())
    assert seen == [True] and not activation.store.is_swapping()


def test_a_copy_that_was_faster_is_not_taken_for_the_installers_server(
    activation: Activation, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding_the_port(monkeypatch, False, False, False, True)
    assert giving_back.give_back(activation, activation.store.load()) is True
    assert keeper.told == ["stop_swap", *STARTED, *STARTED]


def test_one_that_does_not_answer_leaves_the_copy_answering(
    activation: Activation, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(giving_back, "wait_for", lambda *_words: False)
    with pytest.raises(ActivationError, match="did not answer"):
        giving_back.give_back(activation, activation.store.load())
    assert keeper.told[-1] == "start_bootstrap"


@pytest.mark.parametrize("missing", ["slave_server.py", "config.json", "server.crt"])
def test_where_a_file_of_it_is_gone_nothing_is_touched(
    activation: Activation, keeper: Keeper, home: Path, missing: str
) -> None:
    (home / missing).unlink()
    with pytest.raises(ActivationError, match="not there any more"):
        giving_back.give_back(activation, activation.store.load())
    assert keeper.told == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"confirmed_commit": "b" * 40}, "was confirmed on this host"),
        ({"bootstrap_credential": CredentialKind.RESCUE, "installer_secrets": ()}, "not there any more"),
    ],
)
def test_what_a_confirmed_agent_left_is_not_taken_for_the_installers(
    activation: Activation, keeper: Keeper, changes: dict[str, Any], reason: str
) -> None:
    activation.store.save(replace(activation.store.load(), **changes))
    with pytest.raises(ActivationError, match=reason):
        giving_back.check_installers_server(activation)
    assert keeper.told == [] and json.loads(activation.layout.record.read_text())
