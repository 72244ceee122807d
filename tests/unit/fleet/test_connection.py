"""A registered slave is only itself: no other server that the master knows is taken for it, and no token leaves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from d8.errors import Refused, TokenRefused
from d8.fleet import connection
from d8.fleet.agent_client import SlaveClient
from d8.fleet.connection import OWN_SERVERS, OtherServer, TrustEnded, connect, connect_to_slave
from d8.fleet.names import Address
from d8.fleet.registry import Registry
from d8.models import Credential, CredentialKind
from tests.support.fakes import make_settings, make_slave

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A registry with one slave, and what its address presents, to be set by the test."""
    registry = Registry(tmp_path / "data")
    slave = make_slave("192.0.2.1")
    registry.save_slave(slave)
    for mark, kind, owner in [
        ("own", CredentialKind.AGENT, slave.slave_id),
        ("rescue", CredentialKind.RESCUE, slave.slave_id),
        ("other", CredentialKind.AGENT, "slave-192-0-2-2"),
        ("installer", CredentialKind.INSTALLER, None),
    ]:
        registry.save_credential(Credential(kind, mark, f"token-of-{mark}", owner), NOW)
    presented = {"mark": "own"}
    monkeypatch.setattr(connection, "presented_fingerprint", lambda *_: presented["mark"])
    yield registry, slave, make_settings(tmp_path), presented
    registry.close()


def test_its_own_agent_is_it(fleet):
    registry, slave, settings, _ = fleet
    assert connect_to_slave(slave, settings, registry).credential.token == "token-of-own"


@pytest.mark.parametrize(
    ("mark", "says"), [("other", "slave-192-0-2-2"), ("installer", "fresh bootstrap"), ("rescue", "not the agent")]
)
def test_nobody_else_is_taken_for_it(fleet, mark, says):
    registry, slave, settings, presented = fleet
    presented["mark"] = mark
    with pytest.raises(OtherServer, match=says) as caught:
        connect_to_slave(slave, settings, registry)
    assert "Nothing was sent" in str(caught.value.hint)


def test_its_rescue_server_answers_where_that_is_wanted(fleet):
    registry, slave, settings, presented = fleet
    presented["mark"] = "rescue"
    assert connect_to_slave(slave, settings, registry, OWN_SERVERS).credential.token == "token-of-rescue"


@pytest.mark.parametrize("let_in", ["token-of-rescue", "the next"])
def test_a_token_that_was_on_its_way_is_tried_where_the_former_one_is_refused(fleet, monkeypatch, let_in):
    registry, slave, settings, presented = fleet
    presented["mark"] = "rescue"
    registry.offer_token(slave.slave_id, CredentialKind.RESCUE, "the next")

    def health(client):
        if client.credential.token != let_in:
            raise TokenRefused("no", "")
        return {"mode": "bootstrap", "host": {}}

    monkeypatch.setattr(SlaveClient, "health", health)
    assert connect_to_slave(slave, settings, registry, OWN_SERVERS).credential.token == let_in
    assert registry.credentials(CredentialKind.AGENT, slave.slave_id)[0].next_token is None


def test_a_slave_whose_trust_was_ended_is_told_as_that(fleet):
    registry, slave, settings, presented = fleet
    presented["mark"] = "of nobody"
    with pytest.raises(Refused, match="never made"):
        connect_to_slave(slave, settings, registry)
    for kind in OWN_SERVERS:
        registry.drop_credentials(slave.slave_id, kind, kept="")

    def by_a_build():
        return connect(Address(slave.address, slave.port), settings, registry)

    for asking in (lambda: connect_to_slave(slave, settings, registry), by_a_build):
        with pytest.raises(TrustEnded, match="was ended") as caught:
            asking()
        assert "--uninstall" in str(caught.value.hint)


def test_a_build_may_meet_any_server_of_this_master(fleet):
    registry, slave, settings, presented = fleet
    presented["mark"] = "installer"
    assert connect(Address(slave.address), settings, registry).credential.kind is CredentialKind.INSTALLER
