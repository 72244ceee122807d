"""Many hosts at once, two of them broken: the others are built, the broken ones are explained."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.master import Master

AT_ONCE = "3"  # the hosts share one machine
SECONDS_A_HOST = 60


@pytest.fixture
def master(tmp_path, lab: Lab) -> Master:
    extra = {"D8_FAN_OUT": AT_ONCE, "D8_BUILD_ATTEMPTS": "2", "D8_BUILD_RETRY_DELAY": "1", "D8_CONFIRM_TIMEOUT": "40"}
    return Master(tmp_path, lab.master_address, extra).in_a_clone()


def bring_bootstraps(master: Master, hosts: list[Host]) -> None:
    """One installer serves all hosts."""
    made = master.bring_bootstrap(hosts[0])
    with ThreadPoolExecutor(int(AT_ONCE)) as pool:
        list(pool.map(lambda host: start_bootstrap(made["sh"], host), hosts[1:]))


def start_bootstrap(script: str, host: Host) -> None:
    home = host.run("echo $HOME", host.user).stdout.strip()
    host.push(script, f"{home}/install_slave.sh", owner=host.user, mode=0o600)
    host.run("sh install_slave.sh --start", host.user)


def build_all(master: Master, hosts: list[Host], cut_off: Host, full: Host | None) -> tuple[dict, float]:
    """Build them from a list, with two of them broken; return the document and the seconds that it took."""
    bring_bootstraps(master, hosts)
    listed = master.folder / "hosts.txt"
    listed.write_text("# the whole room\n\n" + "".join(f"{host.address}  # {host.name}\n" for host in hosts))
    with ExitStack() as broken:
        cut_off.cut()
        broken.callback(cut_off.heal)
        if full:
            broken.enter_context(full.fill_disk("/opt"))
        began = time.monotonic()
        document = master.json("build", "--from", str(listed), "--strategy", "venv", "--yes", expect=5)
        return document, time.monotonic() - began


def assert_built(master: Master, document: dict, hosts: list[Host], broken: dict[Host, str]) -> None:
    """Each host has its log and its outcome, the broken ones the reason; the built ones answer."""
    assert document["not_begun"] == []
    assert [one["slave_host"] for one in document["builds"]] == [host.address for host in hosts]
    for host, one in zip(hosts, document["builds"], strict=True):
        assert len(list((master.data / "build_logs").glob(f"build_{one['slave_id']}_*.json"))) == 1
        if host in broken:
            assert one["status"] == "failed" and broken[host] in one["error"] and one["hint"], one["error"]
        else:
            assert one["status"] == "success", one["error"]
    listed = {one["address"]: one["state"] for one in master.json("status")["slaves"]}
    assert listed == {host.address: "ok" for host in hosts if host not in broken}


def test_three_hosts_and_one_that_is_cut_off(master: Master, lab: Lab):
    hosts = [lab.host("bare") for _ in range(4)]
    try:
        document, seconds = build_all(master, hosts, cut_off=hosts[1], full=None)
        assert_built(master, document, hosts, {hosts[1]: "does not answer"})
        assert seconds < SECONDS_A_HOST * len(hosts)
    finally:
        for host in hosts:
            lab.remove(host)


@pytest.mark.full
def test_ten_hosts_of_which_two_are_broken(master: Master, lab: Lab):
    hosts = [lab.host("git") for _ in range(10)]
    try:
        document, seconds = build_all(master, hosts, cut_off=hosts[3], full=hosts[6])
        assert_built(master, document, hosts, {hosts[3]: "does not answer", hosts[6]: "/opt has 0 MB left"})
        assert seconds < SECONDS_A_HOST * len(hosts)
        print(f"eight of ten hosts built in {seconds:.0f} s")
    finally:
        for host in hosts:
            lab.remove(host)
