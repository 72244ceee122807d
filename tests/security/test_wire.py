"""Somebody on the wire: a recording relay reads no secret, an impostor is refused before the first token."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from d8.actions.access import grant, granted
from d8.actions.execute import execute
from d8.actions.revocation import revoke
from d8.actions.rotation import rotate
from d8.actions.workplace import Workplace
from d8.errors import Refused
from d8.models import Credential, CredentialKind, Slave, TokenScope
from tests.support.agent_process import RunningAgent, running_agent, write_private
from tests.support.fakes import make_settings, make_slave
from tests.support.pki import CertificateAuthority
from tests.support.relay import Relay, relay, spellings

SECRET_OF_THE_COMMAND = "the-secret-of-a-command-6f1e"


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[RunningAgent]:
    with running_agent(tmp_path, kind="agent") as running:
        yield running


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    made = Workplace(make_settings(tmp_path / "master"))
    yield made
    made.close()


def registered(workplace: Workplace, agent: RunningAgent, port: int) -> Slave:
    """The agent as the master knows it, behind the relay's port."""
    machine_id = agent.get("/api/system").document["machine_id"]
    slave = make_slave(address="127.0.0.1", port=port, machine_id=machine_id)
    workplace.registry.save_slave(slave)
    known = Credential(CredentialKind.AGENT, str(agent.fingerprint), agent.token, slave.slave_id)
    workplace.registry.save_credential(known, datetime.now(UTC))
    return slave


def assert_none_is_in(between: Relay, secrets: list[str]) -> None:
    recorded = between.recorded
    assert len(recorded) > 10_000, "the relay was not between them"
    for secret in secrets:
        for spelling in spellings(secret):
            assert spelling not in recorded


def test_a_recording_relay_reads_no_token_and_no_command(agent: RunningAgent, workplace: Workplace) -> None:
    with relay((agent.address, agent.port)) as between:
        slave = registered(workplace, agent, between.port)
        execute(workplace, (slave.slave_id,), f"echo {SECRET_OF_THE_COMMAND}")
        made = grant(workplace, slave, "ci", TokenScope.READ)
        rotate(workplace, slave)
        [new] = workplace.registry.credentials(CredentialKind.AGENT, slave.slave_id)
        assert granted(workplace, slave)
        assert revoke(workplace, slave).is_done
        hashes = [hashlib.sha256(token.encode()).hexdigest() for token in (agent.token, new.token, made.token)]
        assert_none_is_in(between, [agent.token, new.token, made.token, SECRET_OF_THE_COMMAND, *hashes])


def test_the_search_would_find_a_secret(tmp_path: Path, workplace: Workplace) -> None:
    """The same without TLS: there the relay reads everything, so the search above is worth something."""
    with running_agent(tmp_path, kind="agent", tls=False) as plain, relay((plain.address, plain.port)) as between:
        answer = replace(plain, port=between.port).get("/api/version")
        assert answer.status == 200
        assert any(spelling in between.recorded for spelling in spellings(plain.token))


def test_a_swapped_certificate_is_refused_before_the_first_token(
    agent: RunningAgent, workplace: Workplace, tmp_path: Path
) -> None:
    pair = CertificateAuthority().issue()
    files = (
        write_private(tmp_path / "impostor.crt", pair.certificate),
        write_private(tmp_path / "impostor.key", pair.private_key),
    )
    with relay((agent.address, agent.port), impostor=files) as between:
        slave = registered(workplace, agent, between.port)
        for attempt in (rotate, lambda place, one: grant(place, one, "ci", TokenScope.READ)):
            with pytest.raises(Refused, match="never made"):
                attempt(workplace, slave)
        assert between.recorded == b"", "the impostor was told something"
    assert agent.get("/api/version").status == 200
