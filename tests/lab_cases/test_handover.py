"""The handover on real systemd: whatever single process is killed at whatever step, somebody answers on port 7600."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from slave_agent.activation.states import SwapStep
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.handover import SECOND_COMMIT, SlaveUnderTest, wait_until
from tests.support.kills import (
    AGENT,
    CONFIRMING,
    HELPER,
    SERVING_HELPER,
    SWAP,
    PortWatch,
    as_soon_as_found,
    kill_9,
    processes,
    swap_is_at,
)

# Guard and helper come and go: one is called just then. No step of the swap needs the helper.
VICTIMS = {
    "bootstrap": processes("slave_server.py"),
    "handover": SWAP,
    "agent": AGENT,
    "guard": f"systemctl start --no-block d8-guard.service; {as_soon_as_found(processes('d8-activate guard'))}",
    "helper": SERVING_HELPER,
}
STEP_DELAY_SECONDS = 0.6
CONFIRM_TIMEOUT_SECONDS = 20.0
SEED = 7882  # each kind of victim at some step


@pytest.fixture
def slave(bare_host: Host) -> SlaveUnderTest:
    """A host with a running bootstrap and a release on its disk."""
    return SlaveUnderTest(bare_host, confirm_timeout_seconds=CONFIRM_TIMEOUT_SECONDS).prepare()


# Who lives at a step: the short run kills one of these at each, chosen by the seed. The master of these handovers is
# the test, which never confirms: one that died. In test_resume.py and test_update.py real masters are killed.
ALIVE = {
    SwapStep.REPLYING: ("bootstrap", "handover", "guard"),
    SwapStep.STOPPING_BOOTSTRAP: ("bootstrap", "handover", "guard"),
    SwapStep.SWITCHING_RELEASE: ("handover", "guard", "helper"),
    SwapStep.OPENING_PORT: ("handover", "guard"),
    SwapStep.STARTING_AGENT: ("agent", "handover", "guard"),
    SwapStep.CHECKING_AGENT: ("agent", "handover", "guard", "helper"),
}
EVERY = [(step.value, victim) for step, victims in ALIVE.items() for victim in victims]
SEEDED = [(step.value, random.Random(f"{SEED}-{step.value}").choice(victims)) for step, victims in ALIVE.items()]


def kill_at(slave: SlaveUnderTest, step: str, victim: str) -> None:
    """Begin a slow handover and kill -9 the victim when it has reached the step; nobody confirms."""
    slave.step_delay_seconds = STEP_DELAY_SECONDS
    slave.install_and_stage()
    started = time.monotonic()
    slave.verb("handover")
    with PortWatch(slave.host, {slave.installer.pair.fingerprint}) as port:
        kill_9(slave.host, VICTIMS[victim], when=swap_is_at(step, slave.opt), seconds=20)
        left = started + 2 * CONFIRM_TIMEOUT_SECONDS - time.monotonic()
        assert slave.wait_for_phase("rolled_back", seconds=left), slave.record()
        assert slave.wait_for("bootstrap", 5)
    port.assert_nobody_was_locked_out(CONFIRM_TIMEOUT_SECONDS)
    assert slave.call("GET", "/api/version", slave.installer).status == 200


def test_every_step_of_the_swap_has_its_victims() -> None:
    assert [*ALIVE, SwapStep.DONE] == list(SwapStep)


@pytest.mark.parametrize(("step", "victim"), SEEDED)
def test_one_process_killed_at_each_step_locks_nobody_out(slave: SlaveUnderTest, step: str, victim: str) -> None:
    kill_at(slave, step, victim)


@pytest.mark.full
@pytest.mark.parametrize(("step", "victim"), [case for case in EVERY if case not in SEEDED])
def test_any_process_killed_at_any_step_locks_nobody_out(slave: SlaveUnderTest, step: str, victim: str) -> None:
    kill_at(slave, step, victim)


AT_CONFIRM = {"agent": AGENT, "activation": CONFIRMING, "helper": HELPER}
SEEDED_AT_CONFIRM = random.Random(f"{SEED}-confirm").choice(list(AT_CONFIRM))


@pytest.mark.parametrize(
    "victim",
    [pytest.param(name, marks=[] if name == SEEDED_AT_CONFIRM else [pytest.mark.full]) for name in AT_CONFIRM],
)
def test_a_kill_during_the_confirmation_leaves_an_agent_that_can_be_confirmed(
    slave: SlaveUnderTest, victim: str
) -> None:
    slave.install_and_stage()
    slave.hand_over()
    slave.enrol()
    with ThreadPoolExecutor() as pool, PortWatch(slave.host, {slave.agent.pair.fingerprint}) as port:
        asked = pool.submit(slave.is_confirmed)
        kill_9(slave.host, AT_CONFIRM[victim], when=f"{CONFIRMING} >/dev/null")
        asked.result()
        assert wait_until(slave.is_confirmed, CONFIRM_TIMEOUT_SECONDS, pause=0.5), slave.record()
    port.assert_nobody_was_locked_out(CONFIRM_TIMEOUT_SECONDS)
    assert slave.record()["phase"] == "confirmed"


def test_a_master_that_never_confirms_gets_the_bootstrap_back(slave: SlaveUnderTest) -> None:
    slave.install_and_stage()
    slave.hand_over()
    assert slave.wait_for("bootstrap", CONFIRM_TIMEOUT_SECONDS + 8)
    assert slave.record()["phase"] == "rolled_back"
    assert "not confirmed" in slave.record()["reason"]
    refused = slave.try_verb("confirm")
    assert refused.returncode == 1 and "rolled back" in refused.stdout


def test_a_second_attempt_after_a_rollback_succeeds(slave: SlaveUnderTest) -> None:
    slave.install_and_stage()
    slave.hand_over()
    assert slave.wait_for("bootstrap", CONFIRM_TIMEOUT_SECONDS + 8)
    slave.activate()
    assert slave.who_answers().mode == "agent"


def test_an_unconfirmed_agent_is_gone_after_a_reboot(slave: SlaveUnderTest) -> None:
    slave.confirm_timeout_seconds = 600
    slave.install_and_stage()
    slave.hand_over()
    slave.host.reboot()
    assert slave.wait_for("bootstrap", 20)
    assert slave.call("GET", "/api/version", slave.installer).status == 200


def test_a_confirmed_agent_is_back_after_a_reboot(slave: SlaveUnderTest) -> None:
    slave.activate()
    slave.host.reboot()
    assert slave.wait_for("agent", 20)
    assert slave.call("GET", "/api/version", slave.agent).status == 200


def test_after_confirm_the_installer_is_dead_and_the_rescue_works(slave: SlaveUnderTest) -> None:
    slave.activate()
    assert slave.call("GET", "/api/version", slave.installer).status == 401
    left = slave.host.run(f"ls {slave.folder}").stdout.split()
    assert not {"config.json", "server.key", "server.crt"} & set(left)
    assert slave.call("POST", "/api/agent/bootstrap", slave.agent, {}).status == 202
    assert slave.wait_for("bootstrap")
    assert slave.who_answers().fingerprint == slave.rescue.pair.fingerprint
    assert slave.call("GET", "/api/version", slave.rescue).status == 200
    assert slave.call("GET", "/api/version", slave.installer).status == 401
    as_root = slave.call("POST", "/api/execute", slave.rescue, {"command": "sudo -n id -u"})
    assert as_root.document["stdout"] == "0\n"


def test_a_crash_looping_confirmed_agent_gives_way_to_the_bootstrap(slave: SlaveUnderTest) -> None:
    slave.activate()
    slave.host.run(f"printf 'raise SystemExit(3)\\n' > {slave.release()}/slave_agent/__main__.py")
    slave.host.kill(slave.pid_of_unit("d8-agent.service"))
    assert slave.wait_for("bootstrap", 30)
    assert slave.call("GET", "/api/version", slave.rescue).status == 200


def test_a_release_that_does_not_start_is_refused_before_the_port_is_touched(slave: SlaveUnderTest) -> None:
    slave.host.run(f"printf 'raise SystemExit(\"no such thing\")\\n' > {slave.release()}/slave_agent/__main__.py")
    slave.install()
    staged = slave.try_verb("stage")
    assert staged.returncode == 1 and "no such thing" in staged.stdout
    assert "Run stage first" in slave.try_verb("handover").stdout
    assert slave.who_answers().mode == "bootstrap"


def test_a_release_that_breaks_between_stage_and_handover_gives_the_port_back(slave: SlaveUnderTest) -> None:
    slave.install_and_stage()
    slave.host.run(f"printf 'raise SystemExit(3)\\n' > {slave.release()}/slave_agent/__main__.py")
    slave.verb("handover")
    assert slave.wait_for_phase("rolled_back")
    assert slave.wait_for("bootstrap")


def test_a_rebuild_keeps_the_agents_credential_and_can_be_rolled_back(slave: SlaveUnderTest) -> None:
    slave.activate()
    slave.call("POST", "/api/agent/bootstrap", slave.agent, {})
    assert slave.wait_for("bootstrap")
    slave.put_release(SECOND_COMMIT)
    source = {
        "user": slave.host.user,
        "config": "/etc/d8-agent/bootstrap/config.json",
        "server": "/opt/d8-agent/bootstrap/slave_server.py",
        "pid": None,
    }
    slave.install(SECOND_COMMIT, bootstrap=source)
    slave.verb("stage", commit=SECOND_COMMIT)
    slave.hand_over(SECOND_COMMIT)
    confirmed = slave.call("POST", "/api/agent/confirm", slave.agent, {})
    assert confirmed.status == 200, confirmed.document
    rolled = slave.verb("rollback", "--wait", commit=SECOND_COMMIT)
    assert rolled["commit"] == "a" * 40
    assert slave.wait_for("agent", commit="a" * 40)
    assert slave.call("GET", "/api/version", slave.agent).status == 200


def test_a_rebuild_that_is_given_up_lets_the_former_agent_run_again(slave: SlaveUnderTest) -> None:
    slave.activate()
    slave.call("POST", "/api/agent/bootstrap", slave.agent, {})
    assert slave.wait_for("bootstrap")
    rolled = slave.verb("rollback", "--wait")
    assert rolled["mode"] == "agent"
    assert slave.call("GET", "/api/version", slave.agent).status == 200
    slave.host.reboot()
    assert slave.wait_for("agent", 20)


def test_debian_13_goes_the_whole_way(debian13_host: Host) -> None:
    slave = SlaveUnderTest(debian13_host, confirm_timeout_seconds=20).prepare()
    slave.activate()
    slave.host.reboot(timeout_seconds=180)
    assert slave.wait_for("agent", 30)


def test_a_host_that_is_reached_as_root_goes_the_whole_way(root_host: Host) -> None:
    slave = SlaveUnderTest(root_host, confirm_timeout_seconds=20).prepare()
    slave.activate()
    agent = slave.pid_of_unit("d8-agent.service")
    assert slave.host.run(f"ps -o user= -p {agent}").stdout.strip() == "d8-agent"


def test_connections_wait_while_the_agent_restarts(lab: Lab, slave: SlaveUnderTest) -> None:
    slave.activate()
    slave.host.kill(slave.pid_of_unit("d8-agent.service"))
    assert slave.who_answers(timeout=10).mode == "agent"
