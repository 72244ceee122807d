"""The registry: what is saved comes back, and nobody else can read it."""

from datetime import UTC, datetime, timedelta

import pytest

from d8.errors import UsageError
from d8.fleet.registry import Registry
from d8.models import Credential, CredentialKind, Scope, Slave, StrategyName

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def registry(tmp_path):
    registry = Registry(tmp_path / "data")
    yield registry
    registry.close()


def slave(name="slave-10-0-0-1", address="10.0.0.1", machine="m1"):
    return Slave(name, address, 7600, machine, "pi", "c" * 40, StrategyName.VENV, Scope.SYSTEM, True, NOW, True, None)


def test_a_slave_comes_back_as_it_was_saved(registry):
    registry.save_slave(slave())
    assert registry.slaves() == [slave()]
    assert registry.slave("10.0.0.1") == registry.slave("slave-10-0-0-1") == registry.slave("pi") == slave()


def test_an_unknown_name_is_told_with_the_known_ones(registry):
    registry.save_slave(slave())
    with pytest.raises(UsageError, match="slave-10-0-0-1"):
        registry.slave("nobody")


def test_a_name_that_means_two_slaves_is_refused(registry):
    registry.save_slave(slave())
    registry.save_slave(slave("slave-10-0-0-2", "10.0.0.2", "m2"))
    with pytest.raises(UsageError, match="slave-10-0-0-2"):
        registry.slave("pi")


def test_removing_a_slave_removes_its_credentials(registry):
    registry.save_slave(slave())
    registry.save_credential(Credential(CredentialKind.AGENT, "f1", "token", "slave-10-0-0-1"), NOW)
    registry.remove_slave("slave-10-0-0-1")
    assert registry.slaves() == [] and registry.credential("f1") is None


def test_credentials_are_found_by_fingerprint_newest_first(registry):
    old = Credential(CredentialKind.AGENT, "f1", "t1", "s", NOW + timedelta(days=1))
    new = Credential(CredentialKind.AGENT, "f2", "t2", "s")
    registry.save_credential(old, NOW)
    registry.save_credential(new, NOW + timedelta(seconds=1))
    assert registry.credential("f1") == old
    assert registry.credential("unknown") is None
    assert registry.credentials(CredentialKind.AGENT, "s") == [new, old]


def test_the_database_is_private(registry, tmp_path):
    registry.save_slave(slave())
    files = list((tmp_path / "data").glob("d8.db*"))
    assert files and all(path.stat().st_mode & 0o077 == 0 for path in files)


def test_a_token_is_not_shown_by_repr():
    assert "hidden-token" not in repr(Credential(CredentialKind.AGENT, "f", "hidden-token"))
