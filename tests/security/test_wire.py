"""Somebody on the wire: a recording relay reads no secret, an impostor is refused before the first token."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from d8.actions.access import grant, granted
from d8.actions.build import build_slave
from d8.actions.execute import execute
from d8.actions.revocation import revoke
from d8.actions.rotation import rotate
from d8.actions.update import UpdateState, update_slaves
from d8.actions.workplace import Workplace
from d8.build.activation import Activation
from d8.build.context import BuildContext
from d8.errors import Refused
from d8.fleet.connection import connect
from d8.fleet.names import Address
from d8.masking import Masker
from d8.models import BuildStatus, Credential, CredentialKind, Slave, TokenScope
from tests.support.agent_process import RunningAgent, running_agent, write_private
from tests.support.fakes import make_settings, make_slave
from tests.support.handover import wait_until
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


@pytest.fixture
def impostor(tmp_path: Path) -> tuple[Path, Path]:
    """Certificate and key of somebody who is not of the fleet."""
    pair = CertificateAuthority().issue()
    return (
        write_private(tmp_path / "impostor.crt", pair.certificate),
        write_private(tmp_path / "impostor.key", pair.private_key),
    )


def assert_was_told_nothing(between: Relay) -> None:
    assert wait_until(lambda: between.refused > 0, 5), "nobody came to the impostor"
    assert between.told == b"", "the impostor was told something"


def test_a_swapped_certificate_is_refused_before_the_first_token(
    agent: RunningAgent, workplace: Workplace, impostor: tuple[Path, Path]
) -> None:
    with relay((agent.address, agent.port), impostor=impostor) as between:
        slave = registered(workplace, agent, between.port)
        for attempt in (rotate, lambda place, one: grant(place, one, "ci", TokenScope.READ)):
            with pytest.raises(Refused, match="never made"):
                attempt(workplace, slave)
        [outcome] = update_slaves(workplace, [slave], lambda _slave, _words: None)
        assert outcome.state is UpdateState.FAILED and "never made" in str(outcome.error)
        report = build_slave(workplace, Address(slave.address, slave.port), lambda _event: None)
        assert report.status is BuildStatus.FAILED and "never made" in str(report.error)
        assert_was_told_nothing(between)
    assert agent.get("/api/version").status == 200


# The build looks at the certificate in a connection of its own, enrols in the second, and proves the agent's new
# certificate in the third.
@pytest.mark.parametrize(("connection", "was_enrolled"), [(2, False), (3, True)])
def test_a_certificate_that_is_swapped_during_enrolment_is_refused_before_the_first_token(
    tmp_path: Path, workplace: Workplace, impostor: tuple[Path, Path], connection: int, was_enrolled: bool
) -> None:
    with (
        running_agent(tmp_path) as fresh,
        relay((fresh.address, fresh.port), impostor=impostor, from_connection=connection) as between,
    ):
        known = Credential(CredentialKind.INSTALLER, str(fresh.fingerprint), fresh.token)
        workplace.registry.save_credential(known, datetime.now(UTC))
        address = Address(between.address, between.port)
        client = connect(address, workplace.settings, workplace.registry)
        with pytest.raises(Refused, match="another certificate"):
            activation_of(workplace, address).enroll_and_prove(client)
        client.close()
        assert_was_told_nothing(between)
        assert (fresh.get("/api/health").fingerprint != fresh.fingerprint) == was_enrolled


def activation_of(workplace: Workplace, address: Address) -> Activation:
    """What a build does with the agent, for a build that has come so far."""
    facts = SimpleNamespace(hostname="pi", addresses=())
    context = SimpleNamespace(
        settings=workplace.settings,
        registry=workplace.registry,
        address=address,
        slave_id=make_slave().slave_id,
        facts=facts,
        masker=Masker(),
    )
    return Activation(cast(BuildContext, context), sleep=lambda _seconds: None)
