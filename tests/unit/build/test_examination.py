"""What the host's facts say will hurt later."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from d8.build.examination import warnings_for
from d8.commands import preflight
from d8.commands.preflight import HostFacts

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
