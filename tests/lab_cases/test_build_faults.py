"""Hosts on which something is wrong: a build works all the same, or says exactly what to do."""

from __future__ import annotations

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.master import Master


@pytest.fixture
def master(tmp_path, lab: Lab) -> Master:
    return Master(tmp_path, lab.master_address)


def test_a_slave_without_internet_is_built_from_what_the_master_sends(master: Master, bare_host: Host):
    with bare_host.without_internet():
        master.bring_bootstrap(bare_host)
        document = master.build(bare_host)
    assert document["status"] == "success"
    assert all(entry["success"] for entry in document["commands"])
