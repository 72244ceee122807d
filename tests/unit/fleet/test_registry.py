"""The registry: what is saved comes back, and nobody else can read it."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from d8.errors import SlaveUnreachable, UsageError
from d8.fleet.database import RegistryUnusable
from d8.fleet.registry import Registry, account_name
from d8.models import Credential, CredentialKind, PendingKind, PendingTrust, Scope, Slave, StrategyName

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


def test_slaves_come_in_the_order_of_their_numbers(registry):
    names = ["slave-10-0-0-2", "slave-10-0-0-10", "slave-10-0-0-10-7601", "slave-pi", "slave-pi2"]
    for number, name in enumerate(reversed(names)):
        registry.save_slave(slave(name, f"10.0.0.{number}", f"m{number}"))
    assert [one.slave_id for one in registry.slaves()] == names


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


def test_what_weighs_more_is_not_replaced_by_what_weighs_less(registry):
    registry.pending.begin(slave(), PendingKind.ROTATE, NOW)
    registry.pending.failed("slave-10-0-0-1", "off", NOW)
    registry.pending.begin(slave(), PendingKind.REMOVE, NOW + timedelta(hours=1))
    registry.pending.begin(slave(), PendingKind.ROTATE, NOW + timedelta(hours=2))
    [owed] = registry.pending.all()
    assert owed == PendingTrust(slave(), PendingKind.REMOVE, NOW, 1, NOW, "off")
    assert registry.pending.find("10.0.0.1") == owed
    registry.rename_slave("slave-10-0-0-1", "slave-new")
    assert registry.pending.all()[0].slave.slave_id == "slave-new"
    registry.pending.settle("slave-new")
    assert registry.pending.all() == [] and registry.pending.find("10.0.0.1") is None


def test_a_database_of_an_earlier_version_gets_what_it_lacks(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    with closing(sqlite3.connect(data / "d8.db")) as database:
        database.execute(
            "create table credentials (fingerprint text primary key, kind text, token text, slave_id text,"
            " expires datetime, created datetime)"
        )
        database.execute("insert into credentials values ('f1', 'agent', 't', 's', null, '2026-01-01 00:00:00.000000')")
        database.execute(
            "create table audit (id integer primary key, time datetime, action text, subject text, result text)"
        )
        database.execute("insert into audit values (1, '2026-01-01 00:00:00.000000', 'build', 's', 'success')")
        database.commit()
    for _ in range(2):
        registry = Registry(data)
        assert registry.credential("f1") == Credential(CredentialKind.AGENT, "f1", "t", "s")
        registry.record("remove", "s", "done")
        registry.close()
    registry = Registry(data)
    deeds = registry.audit.newest(2)
    assert [deed.action for deed in registry.audit.newest(10)] == ["build", "remove", "remove"]
    assert [deed.action for deed in deeds] == ["remove", "remove"]
    assert deeds[0].actor == account_name(os.getuid(), os.environ)
    registry.close()


@pytest.mark.parametrize(
    ("user_id", "environ", "account"),
    [
        (0, {}, "root"),
        (0, {"LOGNAME": "ana", "USER": "ana", "SUDO_USER": "ana"}, "root"),
        (0, {"SUDO_UID": "1", "SUDO_USER": "ana"}, "daemon"),
        (0, {"SUDO_UID": "4000000000"}, "uid 4000000000"),
        (0, {"SUDO_UID": "99999999999999999999"}, "uid 99999999999999999999"),
        (1, {"SUDO_UID": "0", "SUDO_USER": "root", "LOGNAME": "root"}, "daemon"),
    ],
)
def test_nobody_but_root_is_believed_who_called(user_id, environ, account):
    assert account_name(user_id, environ) == account


def test_a_deed_is_recorded_with_how_it_ended(registry):
    with registry.recording("trust-grant", "s/ci") as deed:
        deed.result = "read"
    with registry.recording("rollback", "s"):
        pass
    for error in (SlaveUnreachable("no answer"), KeyboardInterrupt()):
        with pytest.raises(type(error)), registry.recording("rollback", "s"):
            raise error
    assert [deed.result for deed in registry.audit.newest(10)] == ["read", "done", "unreachable", "unknown"]


def test_only_one_credential_of_a_kind_stays(registry):
    for mark in ("f1", "f2"):
        registry.save_credential(Credential(CredentialKind.AGENT, mark, "t", "s", authority="a", ends=NOW), NOW)
    registry.save_credential(Credential(CredentialKind.RESCUE, "f3", "t", "s"), NOW)
    registry.save_credential(Credential(CredentialKind.AGENT, "f4", "t", "other"), NOW)
    registry.drop_credentials("s", CredentialKind.AGENT, kept="f2")
    assert [registry.credential(mark) is not None for mark in ("f1", "f2", "f3", "f4")] == [False, True, True, True]
    assert registry.credential("f2") == Credential(CredentialKind.AGENT, "f2", "t", "s", authority="a", ends=NOW)


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "d8.db").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(RegistryUnusable, match="file is not a database") as caught:
        Registry(tmp_path)
    assert "backup" in str(caught.value.hint)


def test_a_file_that_cannot_be_opened_is_told(tmp_path):
    (tmp_path / "d8.db").mkdir()
    with pytest.raises(RegistryUnusable, match="unable to open"):
        Registry(tmp_path)


def test_what_breaks_later_is_told_too(registry, tmp_path):
    with closing(sqlite3.connect(tmp_path / "data" / "d8.db")) as database:
        database.execute("drop table slaves")
        database.commit()
    with pytest.raises(RegistryUnusable, match="no such table: slaves"):
        registry.slaves()
