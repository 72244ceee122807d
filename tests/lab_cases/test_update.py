"""Updates and rollbacks from the master on real hosts: everybody on the same release, or on the one before."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab_cases.test_docker import BASE_IMAGE
from tests.support.handover import wait_until
from tests.support.kills import AGENT, CONFIRMING, HELPER, PREPARING, SWAP, PortWatch, kill_9, swap_is_at
from tests.support.master import Master, git

CONFIRM_SECONDS = 20  # where something goes wrong, and the way back waits for it
SECONDS_A_HOST = 200
SEED = 8324  # at the switch the swap itself, and each kind of victim at some step


def in_a_clone(folder: Path, lab: Lab, confirm_seconds: int = 40) -> Master:
    """A master from a clone, so that its commit can change."""
    return Master(folder, lab.master_address, extra={"D8_CONFIRM_TIMEOUT": str(confirm_seconds)}).in_a_clone()


@pytest.fixture
def master(tmp_path: Path, lab: Lab) -> Master:
    """Such a master without a slave."""
    return in_a_clone(tmp_path, lab)


@dataclass(frozen=True)
class Slave:
    """A built slave and its master, in a clone."""

    master: Master
    host: Host

    @property
    def commit(self) -> str:
        """The master's commit."""
        return git("-C", str(self.master.checkout), "rev-parse", "HEAD")

    def rests_on_the_masters_commit(self) -> bool:
        """Whether it is as a slave is that was just built, the release before this one aside."""
        return running(self.master, self.host) == self.commit and is_settled_on(self.master, self.host, self.commit)

    def releases(self) -> set[str]:
        """The commits whose releases are on its disk."""
        return set(self.host.run("ls /opt/d8-agent/releases").stdout.split())


@pytest.fixture(scope="module")
def idle_slaves(lab: Lab) -> Iterator[list[Slave]]:
    """Slaves that a test has left as it found them: to build one takes longer than most of what is done to it."""
    slaves: list[Slave] = []
    yield slaves
    for slave in slaves:
        lab.remove(slave.host)


@pytest.fixture
def slave(idle_slaves: list[Slave], lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slave]:
    """A slave that runs its master's commit, as the one before did or a new one."""
    if idle_slaves:
        made = idle_slaves.pop()
    else:
        folder = tmp_path_factory.mktemp("master")
        made = Slave(in_a_clone(folder, lab, CONFIRM_SECONDS), lab.host("bare"))
        build(replace(made.master, extra={}), made.host)  # here nothing goes wrong, and it may take its time
    is_as_before = False
    try:
        assert made.rests_on_the_masters_commit()
        yield made
        is_as_before = made.rests_on_the_masters_commit()
    finally:
        if is_as_before:
            idle_slaves.append(made)
        else:
            lab.remove(made.host)


def build(master: Master, *hosts: Host) -> str:
    """Build the hosts; return the commit that they run."""
    for host in hosts:
        master.bring_bootstrap(host)
    if len(hosts) == 1:
        master.build(hosts[0])
    else:
        master.json("build", *(host.address for host in hosts), "--yes", timeout_seconds=SECONDS_A_HOST * len(hosts))
    return git("-C", str(master.checkout), "rev-parse", "HEAD")


def commit_change(master: Master, path: str, text: str) -> str:
    """Commit a release in which a file of the agent ends with the text."""
    file = master.checkout / path
    file.write_text(file.read_text() + text)
    git("-C", str(master.checkout), "add", path)
    return master.commit()


def statuses(master: Master) -> dict[str, dict[str, Any]]:
    """The fleet's status by address."""
    return {one["address"]: one for one in json.loads(master.run("status", "--json").stdout)["slaves"]}


def running(master: Master, host: Host) -> str:
    """The commit of the agent that answers on the host, to the master's own token."""
    code, document = master.curl(host, "/api/system", token=token_of(master, host))
    assert code == 200, document
    return str(document["agent"]["commit"])


def token_of(master: Master, host: Host) -> str:
    """The newest token of that slave's agent."""
    with sqlite3.connect(master.data / "d8.db") as database:
        query = (
            "select token from credentials where kind = 'agent' and slave_id = "
            "(select slave_id from slaves where address = ?) order by created desc"
        )
        return str(database.execute(query, (host.address,)).fetchone()[0])


def update(master: Master, *words: str, expect: int = 0) -> dict[str, Any]:
    """Run `update`; return its slaves by address."""
    document = master.json("update", *words, "--yes", expect=expect)
    addresses = {one["slave_id"]: address for address, one in statuses(master).items()}
    return {addresses[one["slave_id"]]: one for one in document["slaves"]}


def is_settled_on(master: Master, host: Host, commit: str) -> bool:
    """Whether that release answers and the activation on the slave has come to rest."""
    known = json.loads(host.run("python3 -I /opt/d8-agent/control/d8-activate status").stdout)
    return (known["phase"], known["confirmed_commit"], known["answering"]["commit"]) == ("confirmed", commit, commit)


def goes_there_and_back(master: Master, host: Host, first: str) -> None:
    """Update and roll back, with calls that go on meanwhile."""
    assert statuses(master)[host.address]["state"] == "ok"
    assert update(master, host.address)[host.address]["state"] == "already"
    second = master.commit()
    assert statuses(master)[host.address]["state"] == "other_commit"
    assert update(master, "--all")[host.address]["state"] == "updated"
    assert running(master, host) == second and is_settled_on(master, host, second)
    assert statuses(master)[host.address]["state"] == "ok"
    rolled = master.json("rollback", host.address, "--yes")
    assert rolled["commit"] == first
    assert running(master, host) == first and is_settled_on(master, host, first)
    assert statuses(master)[host.address]["state"] == "other_commit"


def test_a_slave_is_updated_and_rolled_back(slave: Slave) -> None:
    master, host, first = slave.master, slave.host, slave.commit
    goes_there_and_back(master, host, first)
    host.reboot()
    assert wait_until(lambda: statuses(master)[host.address]["commit"] == first, 60, pause=1)


def test_a_slave_without_root_is_updated_and_rolled_back(master: Master, lab: Lab) -> None:
    host = lab.host("no-sudo", linger=True)
    try:
        first, second = build(master, host), master.commit()
        assert update(master, "--all")[host.address]["state"] == "updated"
        assert running(master, host) == second
        assert master.json("rollback", host.address, "--yes")["commit"] == first
        assert running(master, host) == first
    finally:
        lab.remove(host)


def test_a_slave_in_a_container_is_updated_and_rolled_back(master: Master, lab: Lab, docker_host: Host) -> None:
    docker_host.run("until docker info >/dev/null 2>&1; do sleep 0.5; done", timeout_seconds=60)
    with subprocess.Popen(["tar", "-C", str(lab.base_tree()), "-c", "."], stdout=subprocess.PIPE) as tar:
        docker_host.run(["docker", "import", "-", BASE_IMAGE], input=tar.stdout, timeout_seconds=180)
    own = {"D8_STRATEGIES": "docker", "D8_DOCKER_BASE_IMAGE": BASE_IMAGE}
    with_docker = Master(master.folder, master.address, {**master.extra, **own}, master.checkout)
    first = build(with_docker, docker_host)
    goes_there_and_back(with_docker, docker_host, first)
    images = docker_host.run("docker image ls --format '{{.Tag}}' localhost/d8-agent").stdout.split()
    assert first in images and len(images) == 2


# --- kill -9 ---

STATE = "/opt/d8-agent/state"
NOW = "true"
Victim = tuple[str, str]  # the commands that print its pids, and that say when it is at that step's work

STEPS: dict[str, dict[str, Victim | None]] = {
    # What the command says when a step begins, and who lives at that step; the master itself is no process of the host.
    # The swap is killed while neither release runs; at its other steps, in test_handover.py.
    # A helper lives for one request: of the release that is sent, of a question, of the handover, of the confirmation.
    "sending release": {"master": None, "agent": (AGENT, NOW), "helper": (HELPER, f"[ -e {STATE}/incoming ]")},
    "the slave prepares it": {
        "master": None,
        "agent": (AGENT, NOW),
        "activation": (PREPARING, NOW),
        "helper": (HELPER, NOW),
    },
    "giving the port": {
        "master": None,
        "agent": (AGENT, NOW),
        "activation": (SWAP, swap_is_at("starting_agent")),
        "helper": (HELPER, NOW),
    },
    "proving the new release": {
        "master": None,
        "agent": (AGENT, NOW),
        "activation": (CONFIRMING, NOW),
        "helper": (HELPER, f"{CONFIRMING} >/dev/null"),
    },
}
EVERY = [(step, victim) for step, victims in STEPS.items() for victim in victims]
SEEDED = [(step, random.Random(f"{SEED}-{step}").choice(list(victims))) for step, victims in STEPS.items()]


def kill_at(slave: Slave, step: str, victim: str) -> None:
    """Begin an update and kill -9 the victim when the step begins: from then on a server of ours always answers within
    the timeout, the slave comes to rest by itself, and the next update brings it to the new release."""
    master, host, first = slave.master, slave.host, slave.commit
    second = master.commit()
    command = master.start("update", "--all", "--yes")
    assert command.stderr is not None
    try:
        for line in command.stderr:
            if step in line:
                break
        else:
            pytest.fail(f"it never came to: {step}")
        with PortWatch(host, certificates(master)) as port:
            if (found := STEPS[step][victim]) is None:
                command.kill()
            else:
                kill_9(host, found[0], when=found[1])
            command.communicate(timeout=240)
            assert (victim == "master") == (command.returncode == -signal.SIGKILL), command.returncode
            assert wait_until(
                lambda: is_settled_on(master, host, first) or is_settled_on(master, host, second) or is_staged(host),
                3 * CONFIRM_SECONDS,
                pause=1,
            )
            assert update(master, "--all")[host.address]["state"] in ("updated", "already")
            assert running(master, host) == second and is_settled_on(master, host, second)
    finally:
        command.kill()
        command.communicate()
    port.assert_nobody_was_locked_out(CONFIRM_SECONDS + 5)


def certificates(master: Master) -> set[str]:
    """The SHA-256 of those that the slaves' own servers may present."""
    with closing(sqlite3.connect(master.data / "d8.db")) as database:
        found = database.execute("select fingerprint from credentials where kind in ('agent', 'rescue')")
        return {str(row[0]) for row in found}


def is_staged(host: Host) -> bool:
    """Whether a tried release waits beside the running one, until somebody goes on or ten minutes have passed."""
    known = json.loads(host.run("python3 -I /opt/d8-agent/control/d8-activate status").stdout)
    return known["phase"] in ("installed", "staged") and known["answering"]["commit"] == known["confirmed_commit"]


@pytest.mark.parametrize(("step", "victim"), SEEDED)
def test_one_process_killed_at_each_step_locks_nobody_out(slave: Slave, step: str, victim: str) -> None:
    kill_at(slave, step, victim)


@pytest.mark.full
@pytest.mark.parametrize(("step", "victim"), [case for case in EVERY if case not in SEEDED])
def test_any_process_killed_at_any_step_locks_nobody_out(slave: Slave, step: str, victim: str) -> None:
    kill_at(slave, step, victim)


BROKEN = {
    "breaks root's helper": (
        "slave_agent/privileged/helper.py",
        "\nraise SystemExit\n",
        "helper of the release does not",
    ),
    "breaks the guard": (
        "slave_agent/activation/guard.py",
        "\n\ndef decide(seen: Situation) -> GuardAction:\n    raise ValueError(seen)\n",
        "guard of the release does not work",
    ),
    "does not start": ("slave_agent/settings.py", "\nraise SystemExit('no such thing')\n", "no such thing"),
    "dies after five seconds": (
        "slave_agent/server.py",
        # not the check that it imports, nor the trial beside the old release
        "\nimport os, sys, threading\nif '--settings' in sys.argv and '--listen' not in sys.argv:\n"
        "    threading.Timer(5, os._exit, [3]).start()\n",
        "answers again",
    ),
    "has another lock": (
        "slave_agent/requirements.txt",
        "\nnowhere-to-be-found==1.0 --hash=sha256:00\n",
        "requirements",
    ),
}


# What the unit tests prove with the release's real code as well.
LONG_FORM = {"breaks the guard"}


@pytest.mark.parametrize(
    "broken", [pytest.param(one, marks=pytest.mark.full) if one in LONG_FORM else one for one in BROKEN]
)
def test_a_bad_release_gives_way_to_the_one_before(slave: Slave, broken: str) -> None:
    master, host, first, before = slave.master, slave.host, slave.commit, slave.releases()
    patient = replace(master, extra={**master.extra, "D8_STABILISATION": "8"})
    path, text, reason = BROKEN[broken]
    commit_change(patient, path, text)
    outcome = update(patient, host.address, expect=1)[host.address]
    assert outcome["state"] == "failed" and reason in f"{outcome['error']} {outcome['hint']}", outcome
    assert wait_until(lambda: is_settled_on(master, host, first), 2 * CONFIRM_SECONDS, pause=1)
    assert wait_until(lambda: slave.releases() == before, 30)
    (master.checkout / path).write_text((master.checkout / path).read_text().removesuffix(text))
    git("-C", str(master.checkout), "add", path)
    good = master.commit()
    assert update(master, "--all")[host.address]["state"] == "updated"
    assert running(master, host) == good


def test_what_another_fleet_has_signed_is_refused(slave: Slave) -> None:
    master, host, first = slave.master, slave.host, slave.commit
    key = master.data / "pki" / "d8-releases.key"
    ours = key.read_bytes()
    key.unlink()
    master.commit()
    outcome = update(master, "--all", expect=1)[host.address]
    assert "not signed by this slave's fleet" in outcome["error"], outcome
    assert running(master, host) == first
    key.write_bytes(ours)
    assert update(master, "--all")[host.address]["state"] == "updated"


def test_a_full_disk_leaves_the_slave_as_it_was(slave: Slave) -> None:
    master, host, first = slave.master, slave.host, slave.commit
    master.commit()
    with host.fill_disk("/opt/d8-agent/state", free_kib=2000):
        assert update(master, "--all", expect=1)[host.address]["state"] == "failed"
        assert running(master, host) == first
    assert update(master, "--all")[host.address]["state"] == "updated"


def test_a_release_that_still_waits_for_its_worker_is_no_failure(slave: Slave) -> None:
    master, host = slave.master, slave.host
    accepted = f"""
import json, sys
sys.path.insert(0, "/opt/d8-agent/control")
from slave_agent.activation.clock import boottime_seconds
with open("/opt/d8-agent/state/update.json", "w") as stream:
    json.dump({{"state": "preparing", "commit": "{"b" * 40}", "accepted_boottime_seconds": boottime_seconds()}}, stream)
"""
    host.run(["python3", "-I", "-c", accepted])
    try:
        code, document = master.curl(host, "/api/agent/releases", token=token_of(master, host))
        assert (code, document["update"]["state"]) == (200, "preparing"), document
    finally:
        host.run(["rm", "-f", "/opt/d8-agent/state/update.json"])


def wave(master: Master, lab: Lab, number: int, bad: int) -> None:
    """Update many of which one can't: the wave stops as configured, all others are consistent."""
    hosts = [lab.host("bare") for _ in range(number)]
    try:
        first = build(master, *hosts)
        by_name = sorted(hosts, key=lambda host: statuses(master)[host.address]["slave_id"])
        second = master.commit()
        full = by_name[bad]
        with full.fill_disk("/opt/d8-agent/state", free_kib=2000):
            began = time.monotonic()
            outcomes = update(master, "--all", "--max-failures", "1", "--at-once", "1", expect=5)
            assert time.monotonic() - began < SECONDS_A_HOST * number
        states = [outcomes[host.address]["state"] for host in by_name]
        assert states == ["updated"] * bad + ["failed"] + ["not_begun"] * (number - bad - 1)
        for place, host in enumerate(by_name):
            wanted = second if place < bad else first
            assert running(master, host) == wanted and is_settled_on(master, host, wanted)
        rest = update(master, "--all", "--max-failures", "3")
        assert {one["state"] for one in rest.values()} == {"updated", "already"}
        assert {running(master, host) for host in hosts} == {second}
    finally:
        for host in hosts:
            lab.remove(host)


def test_a_wave_stops_at_a_bad_host_and_leaves_the_others_consistent(master: Master, lab: Lab) -> None:
    wave(master, lab, 3, bad=1)


@pytest.mark.full
def test_ten_slaves_with_one_bad_host(master: Master, lab: Lab) -> None:
    wave(master, lab, 10, bad=4)


@pytest.mark.full
def test_a_bad_canary_goes_alone(master: Master, lab: Lab) -> None:
    hosts = [lab.host("bare") for _ in range(2)]
    try:
        first = build(master, *hosts)
        commit_change(master, "slave_agent/settings.py", "\nraise SystemExit('no such thing')\n")
        states = [one["state"] for one in update(master, "--all", "--max-failures", "5", expect=1).values()]
        assert sorted(states) == ["failed", "not_begun"]
        assert {running(master, host) for host in hosts} == {first}
    finally:
        for host in hosts:
            lab.remove(host)
