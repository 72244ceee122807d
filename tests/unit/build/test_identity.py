"""Who a machine is, by address and machine-id; nobody loses a name that is in use."""

from datetime import UTC, datetime

import pytest

from d8.build.identity import identify
from d8.fleet.names import Address
from d8.models import Scope, Slave, StrategyName

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def slave(address, machine_id, name=None):
    name = name or "slave-" + address.replace(".", "-")
    return Slave(name, address, 7600, machine_id, "pi", "c" * 40, StrategyName.VENV, Scope.SYSTEM, True, NOW)


@pytest.mark.parametrize(
    ("known", "machine_id", "old_answers", "slave_id", "says"),
    [
        ([], "m1", False, "slave-10-0-0-5", None),
        ([slave("10.0.0.5", "m1")], "m1", False, "slave-10-0-0-5", None),
        ([slave("10.0.0.5", "m1")], "m2", False, "slave-10-0-0-5", "another machine"),
        ([slave("10.0.0.5", "m1")], "", False, "slave-10-0-0-5", None),
        ([slave("10.0.0.4", "m1")], "m1", False, "slave-10-0-0-4", "before"),
        ([slave("10.0.0.4", "m1")], "m1", True, "slave-10-0-0-5", "copy"),
        ([slave("10.0.0.4", "m1")], "", False, "slave-10-0-0-5", None),
        # a slave that moved away keeps its name when a new machine gets its old address
        ([slave("10.0.0.30", "m1", "slave-10-0-0-5")], "m2" * 8, False, "slave-10-0-0-5-m2m2m2m2", None),
        # two slaves that swapped their addresses stay who they are
        ([slave("10.0.0.5", "m1"), slave("10.0.0.4", "m2")], "m2", False, "slave-10-0-0-4", "before"),
    ],
)
def test_identity(known, machine_id, old_answers, slave_id, says):
    identity = identify(Address("10.0.0.5"), machine_id, known, old_answers)
    assert identity.slave_id == slave_id
    assert (identity.notice is None) if says is None else (says in str(identity.notice))


def test_a_machine_that_loses_its_name_is_told():
    former = slave("10.0.0.5", "m1")
    assert identify(Address("10.0.0.5"), "m2", [former], False).displaced == former
