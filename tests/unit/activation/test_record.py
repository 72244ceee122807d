"""handover.json: whole or not at all, and one winner where two writers race."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from slave_agent.activation.errors import ActivationError
from slave_agent.activation.record import Record, RecordStore
from slave_agent.activation.states import CredentialKind, Phase, Scope, SwapStep

RECORD = Record(
    phase=Phase.HANDED_OVER,
    scope=Scope.SYSTEM,
    commit="a" * 40,
    slave_id="slave-1",
    port=7600,
    bind="0.0.0.0",
    tls=True,
    confirm_timeout_seconds=60,
    step_delay_seconds=0,
    bootstrap_user="pi",
    bootstrap_credential=CredentialKind.INSTALLER,
    installer_secrets=("/home/pi/d8_slave/config.json",),
    step=SwapStep.DONE,
    deadline_boottime_seconds=12.5,
)


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    store = RecordStore(tmp_path / "handover.json")
    store.save(RECORD)
    return store


def test_a_record_is_read_as_it_was_written(store: RecordStore) -> None:
    assert store.load() == RECORD
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_fields_of_a_newer_version_are_ignored(store: RecordStore) -> None:
    store.path.write_text(json.dumps({**RECORD.to_json(), "surprise": 1}))
    assert store.load() == RECORD


def test_nothing_installed_is_not_an_unreadable_record(tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "handover.json")
    assert store.find() is None
    with pytest.raises(ActivationError, match="Nothing is installed"):
        store.load()
    store.path.write_text("{")
    with pytest.raises(ActivationError, match="can't be read"):
        store.find()


def test_confirm_and_guard_can_not_both_win(store: RecordStore) -> None:
    def race(phase: Phase) -> Record | None:
        return RecordStore(store.path).advance([Phase.HANDED_OVER], phase=phase)

    for _ in range(50):
        store.save(replace(RECORD))
        with ThreadPoolExecutor(2) as both:
            ends = list(both.map(race, [Phase.CONFIRMED, Phase.ROLLED_BACK]))
        assert sum(end is not None for end in ends) == 1


def test_a_swap_is_alive_as_long_as_it_holds_its_lock(store: RecordStore) -> None:
    assert not store.is_swapping()
    with store.swapping():
        assert store.is_swapping()
        with pytest.raises(ActivationError, match="running already"), store.swapping(tries=1):
            pass
    assert not store.is_swapping()
