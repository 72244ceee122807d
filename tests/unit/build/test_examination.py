"""Which slave a host is, and what its facts say will hurt later."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from d8.build.examination import settle_identity, warnings_for
from d8.build.identity import marked
from d8.commands import preflight
from d8.commands.preflight import HostFacts
from d8.fleet.names import Address
from d8.fleet.registry import Registry
from d8.models import Credential, CredentialKind, PendingKind
from tests.support.fakes import make_slave

NOW = 1_795_000_000.0


@pytest.fixture(scope="module")
def facts() -> HostFacts:
    """This machine's answer, with nothing to warn of."""
    _, probe = preflight.ask()
    done = subprocess.run([sys.executable, "-I", "-"], input=probe, capture_output=True, text=True, check=True)
    good = {"clock": NOW, "sudo": "passwordless", "has_default_route": True, "memory_available_bytes": 2**30}
    return replace(preflight.read(json.dumps(json.loads(done.stdout) | good)), has_systemd=True)


@pytest.mark.parametrize(
    ("seconds_ahead", "words"),
    [
        (-365 * 86400, "365 days behind"),
        (365 * 86400, "365 days ahead"),
        (-2 * 86400, "2 days behind"),
        (86400, "24 hours ahead"),
        (-3 * 3600, "3 hours behind"),
        (3600, "60 minutes ahead"),
        (-301, "5 minutes behind"),
    ],
)
def test_a_wrong_clock_is_named_with_how_it_is_set_right(facts: HostFacts, seconds_ahead: float, words: str):
    [warning] = warnings_for(replace(facts, clock=NOW + seconds_ahead), NOW)
    assert str(warning).startswith(f"the clock of the slave is {words}: downloads may fail.")
    assert "sudo timedatectl set-ntp true, or sudo date -s @1795000000" in str(warning)


def test_five_minutes_are_nothing_to_speak_of(facts: HostFacts):
    assert warnings_for(replace(facts, clock=NOW + 300), NOW) == []


@pytest.mark.parametrize("is_same", [True, False])
def test_a_slave_whose_removal_is_owed_keeps_its_token_when_another_machine_gets_its_address(
    tmp_path: Path, facts: HostFacts, is_same: bool
):
    registry = Registry(tmp_path / "data")
    now = datetime.fromtimestamp(NOW, UTC)
    gone = make_slave("192.0.2.7", machine_id=facts.machine_id if is_same else "f" * 32)
    registry.save_credential(Credential(CredentialKind.AGENT, "f", "its token", gone.slave_id), now)
    registry.pending.begin(gone, PendingKind.REMOVE, now)
    found = settle_identity(Address("192.0.2.7"), facts, registry, lambda *_: False)
    assert found.slave_id == gone.slave_id
    assert found.displaced == (None if is_same else gone)
    if found.displaced:
        former = marked(gone.slave_id, gone.machine_id)
        registry.rename_slave(gone.slave_id, former)  # as the build does
        assert [one.slave.slave_id for one in registry.pending.all()] == [former]
        assert [one.token for one in registry.credentials(CredentialKind.AGENT, former)] == ["its token"]
    registry.close()
