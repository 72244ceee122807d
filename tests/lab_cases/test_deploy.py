"""scripts/desplegar_agent.sh on real hosts: install, upgrade, failed upgrades and the way back, uninstall."""

from __future__ import annotations

import contextlib
import random
import re
import secrets
import threading
from collections import defaultdict
from collections.abc import Iterator

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.deployment import Change, Deployment
from tests.support.handover import wait_until
from tests.support.kills import AGENT, PYTHON, SERVING_HELPER, SWAP, PortWatch, kill_9, processes, swap_is_at
from tests.support.pki import CertificateAuthority

FIRST, SECOND = "a" * 40, "b" * 40
CONFIRM_SECONDS = 20
SEED = 8324  # at the switch the swap itself, and each kind of victim at some step
PATIENT = "--confirm-timeout 60"  # where nothing goes wrong
QUICK = ("--confirm-timeout", str(CONFIRM_SECONDS), "--stabilisation", "2")
SUDO_RULES = "/root/sudoers.d"
RULE = "siax-agent ALL=(ALL) NOPASSWD: /bin/systemctl\n"


@pytest.fixture
def deployment(bare_host: Host) -> Deployment:
    """A Debian 12 host with the wheels at hand."""
    found = Deployment(bare_host, QUICK)
    found.bring_wheels()
    return found


@pytest.fixture(scope="module")
def idle_deployments(lab: Lab) -> Iterator[dict[str, list[Deployment]]]:
    """By profile, those that a test has left with a release at rest: to make one takes longer than many a test."""
    idle: dict[str, list[Deployment]] = defaultdict(list)
    yield idle
    for deployment in [one for some in idle.values() for one in some]:
        lab.remove(deployment.host)


@pytest.fixture
def deployed(
    request: pytest.FixtureRequest, idle_deployments: dict[str, list[Deployment]], lab: Lab
) -> Iterator[Deployment]:
    """A host of the profile (Debian 12, where the test names none) with a release that works and the sudo rules of
    Debian: the one that the test before has left at rest, or a new one."""
    profile = getattr(request, "param", "bare")
    made = idle_deployments[profile].pop() if idle_deployments[profile] else a_first_release(lab.host(profile))
    yield made
    if made.rests():
        made.host.run(f"rm -rf /etc/sudoers.d /var/backups/d8-sudoers-* && cp -a {SUDO_RULES} /etc/sudoers.d")
        idle_deployments[profile].append(made)
    else:
        lab.remove(made.host)


def a_first_release(host: Host) -> Deployment:
    """Deploy one on the host, and keep a copy of its sudo rules."""
    host.run(f"cp -a /etc/sudoers.d {SUDO_RULES}")
    made = Deployment(host, QUICK)
    made.bring_wheels()
    made.deploy(FIRST, PATIENT)
    assert made.runs(FIRST)
    return made


def another_commit() -> str:
    """One that no host has had."""
    return secrets.token_hex(20)


def goes_the_whole_way(deployment: Deployment) -> None:
    """Install from the package index, again, upgrade, roll back, uninstall: each proved from this machine."""
    host = deployment.host
    deployment.bring(FIRST)
    before = deployment.leftovers()
    planned = deployment.run("--dry-run").stdout
    assert FIRST in planned and "install python3-venv" in planned
    refused = deployment.run(expect=4)
    assert "apt-get install python3-venv" in refused.stderr
    assert deployment.leftovers() == before
    assert "not installed" in deployment.run("--status", expect=3).stdout

    done = deployment.run("--yes")
    assert deployment.runs(FIRST), done.stdout
    assert "operator.token" in done.stdout and host.run("cat /etc/d8-agent/operator.token").stdout not in done.stdout
    assert host.run("stat -c '%a %U' /etc/d8-agent/operator.token").stdout == "600 root\n"
    pid = host.run("systemctl show -p MainPID --value d8-agent.service").stdout.strip()
    assert host.run(f"ps -o user= -p {pid}").stdout.strip() == "d8-agent"
    scored = re.search(r"exposure level for d8-agent.service: ([0-9.]+)", host.run(SECURITY).stdout)
    assert scored and float(scored.group(1)) <= 2.5, scored
    limits = host.run("systemctl show -p MemoryMax,WatchdogUSec,OOMPolicy d8-agent.service").stdout
    assert "MemoryMax=536870912" in limits and "WatchdogUSec=30s" in limits
    assert "OOMPolicy=continue" in limits

    assert "installed already" in deployment.run().stdout
    assert host.run("systemctl show -p MainPID --value d8-agent.service").stdout.strip() == pid

    deployment.deploy(SECOND)
    assert deployment.runs(SECOND) and deployment.releases() == {FIRST, SECOND}
    assert SECOND in deployment.run("--status").stdout
    assert FIRST in deployment.run("--rollback").stdout
    assert deployment.runs(FIRST)
    host.reboot(timeout_seconds=180)
    assert deployment.comes_to_run(FIRST, 60)

    deployment.run("--uninstall", "--yes")
    assert deployment.leftovers() == before
    assert "Nothing of D8" in deployment.run("--uninstall").stdout


SECURITY = "systemd-analyze security --no-pager d8-agent.service"


def test_debian_12_goes_the_whole_way(bare_host: Host) -> None:
    goes_the_whole_way(Deployment(bare_host, QUICK))


def test_debian_13_goes_the_whole_way(debian13_host: Host) -> None:
    goes_the_whole_way(Deployment(debian13_host, QUICK))


# --- upgrades that fail ---


def dies_after_five_seconds(name: str, text: str) -> str:
    """A release that ends five seconds after it said that it is ready; its trial beside the old one goes well."""
    if name != "slave_agent/systemd_link.py":
        return text
    first = "        if self.notify_address is None:\n"
    dying = (
        "        import os, sys, threading\n        if message.startswith('READY') and '--listen' not in sys.argv:\n"
        "            threading.Timer(5, os._exit, [3]).start()\n"
    )
    assert first in text
    return text.replace(first, dying + first, 1)


def does_not_start(name: str, text: str) -> str:
    """A release that ends with a word."""
    return text + "\nraise SystemExit('no such thing')\n" if name == "slave_agent/settings.py" else text


def locks_something_else(name: str, text: str) -> str:
    """A release whose locked package has other hashes than the one that is to be had."""
    if name != "slave_agent/requirements.txt":
        return text
    return re.sub(r"sha256:[0-9a-f]{4}", "sha256:ffff", text)


def has_a_wrong_setting(name: str, text: str) -> str:
    """A release whose installation writes something into agent.json that the agent can't work with."""
    if name != "slave_agent/activation/install.py":
        return text
    language = '        "language": settings.language,\n'
    assert language in text
    return text.replace(language, f'{language}        "watch_seconds": "often",\n', 1)


# The guard's looks are so far apart that it does not step in; on a very slow machine it does, and its reason is told.
DYING = ("--stabilisation 12", "--confirm-timeout 60")
DIES = "does not stay up|does not answer|taken back meanwhile"

FAILURES: dict[str, tuple[Change | None, tuple[str, ...], str]] = {
    "a broken requirement": (locks_something_else, (), "requirements.txt could not be installed"),
    "an agent that does not start": (does_not_start, (), "no such thing"),
    "an agent that dies after five seconds": (dies_after_five_seconds, DYING, DIES),
    "a wrong configuration": (has_a_wrong_setting, (), "watch_seconds must be seconds"),
}
ON_DEBIAN_13 = "a wrong configuration"  # the others there only in the long form
LONG = [pytest.mark.full]
UPGRADES = [
    *(pytest.param("bare", one, id=one) for one in FAILURES),
    *(
        pytest.param("debian13", one, id=f"Debian 13, {one}", marks=[] if one == ON_DEBIAN_13 else LONG)
        for one in FAILURES
    ),
]


@pytest.mark.parametrize(("deployed", "failure"), UPGRADES, indirect=["deployed"])
def test_a_failed_upgrade_returns_to_the_release_before(deployed: Deployment, failure: str) -> None:
    change, words, reason = FAILURES[failure]
    first, before, third = deployed.confirmed(), deployed.releases(), another_commit()
    failed = deployed.deploy(another_commit(), *words, change=change, expect=1)
    assert re.search(reason, failed.stderr), failed.stderr
    assert f"The former release answers: {first}" in failed.stdout
    assert deployed.comes_to_run(first, CONFIRM_SECONDS)
    assert deployed.releases() == before
    deployed.deploy(third, PATIENT)
    assert deployed.runs(third)


@pytest.mark.parametrize("deployed", ["bare", pytest.param("debian13", marks=pytest.mark.full)], indirect=True)
def test_a_full_disk_changes_nothing(deployed: Deployment) -> None:
    first, second = deployed.confirmed(), another_commit()
    deployed.bring(second)
    with deployed.host.fill_disk("/opt"):
        full = deployed.run(expect=1)
        assert "Nothing was done" in full.stderr
        assert deployed.runs(first)
    with deployed.host.fill_disk("/opt/d8-agent/releases", free_kib=6000):
        full = deployed.run(expect=1)
        assert "No space left" in full.stderr, full.stderr
        assert deployed.runs(first)
    deployed.run(PATIENT)
    assert deployed.runs(second)


def test_a_first_installation_that_fails_leaves_nothing(deployment: Deployment) -> None:
    before = deployment.leftovers()
    failed = deployment.deploy(FIRST, *DYING, change=dies_after_five_seconds, expect=1)
    assert re.search(DIES, failed.stderr) and "Nothing is left" in failed.stdout, failed.stderr
    assert wait_until(lambda: deployment.leftovers() == before, 60), deployment.leftovers()
    deployment.deploy(SECOND)
    assert deployment.runs(SECOND)


# --- options ---


def test_its_own_certificate_another_port_and_a_token_that_is_shown_once(deployment: Deployment) -> None:
    host, authority = deployment.host, CertificateAuthority()
    pair = authority.issue(hosts=[host.address])
    for name, text in (("crt", pair.certificate), ("key", pair.private_key), ("ca.pem", authority.certificate)):
        host.push(text.encode(), f"/root/{name}", owner="root", mode=0o600)
    words = "--certificate /root/crt --key /root/key --port 7700 --show-token"
    shown = deployment.deploy(FIRST, words).stdout
    token = re.search(r"shown this once: (\S{40,})", shown)
    assert token and not host.exists("/etc/d8-agent/operator.token")
    asked = f"curl -sS --cacert /root/ca.pem -H @- https://{host.address}:7700/api/system"
    assert FIRST in host.run(asked, input=f"Authorization: Bearer {token.group(1)}\n").stdout
    assert "cannot change port (7700)" in deployment.deploy(SECOND, "--port 7600", expect=2).stderr


def test_what_cannot_be_is_refused_before_anything_is_changed(deployment: Deployment) -> None:
    before = deployment.leftovers()
    deployment.bring(FIRST)
    for words, code, reason in (
        ("--certificate /nowhere --key /nowhere", 4, "no certificate with its key"),
        ("--certificate /etc/hostname --key /etc/hostname", 4, "no certificate with its key"),
        ("--token-file /etc/hostname", 2, "is there already"),
        ("--token-file /nowhere/token", 2, "no folder"),
        ("--wheels /etc", 4, "no wheel of pip"),
        ("--app-user root", 4, "No app can run as root"),
        ("--app-user nobodyhere", 4, "no user nobodyhere"),
        ("--dry-run --app-user nobodyhere", 4, "no user nobodyhere"),
        ("--host 999.1.1.1", 2, "--host 999.1.1.1"),
        ("--bind 10.77.77.77", 4, "no address of this host"),
        ("--dry-run", 0, ""),
        ("--status", 3, ""),
    ):
        assert reason in deployment.run(words, expect=code, user="root").stderr, words
        assert deployment.leftovers() == before, words
    assert deployment.host.run("ls -d /tmp/tmp.* /run/d8*", check=False).stdout == ""


def test_without_tls_only_when_asked_for(deployment: Deployment) -> None:
    said = deployment.deploy(FIRST, "--http")
    assert "only inside a VPN" in said.stderr
    assert deployment.call("/api/system", scheme="http")[0] == 200


def test_a_taken_port_is_named_before_anything_is_changed(deployment: Deployment) -> None:
    before = deployment.leftovers()
    with listening(deployment.host):
        refused = deployment.deploy(FIRST, expect=4)
    assert "ss -ltnp" in refused.stderr
    assert deployment.leftovers() == before


@contextlib.contextmanager
def listening(host: Host) -> Iterator[None]:
    """Somebody else has the port for the length of the block."""
    other = host.popen("exec python3 -m http.server 7600", "mallory")
    try:
        assert wait_until(lambda: "7600" in host.run("ss -ltn").stdout, 20)
        yield
    finally:
        host.run("pkill -KILL -u mallory", check=False)
        other.communicate()


def test_without_systemd_it_is_refused(deployment: Deployment) -> None:
    deployment.bring(FIRST)
    command = f"unshare --mount sh -c 'mount -t tmpfs none /run/systemd && {deployment.command()}'"
    refused = deployment.host.run(command, check=False)
    assert refused.returncode == 4 and "systemd does not run" in refused.stderr
    spanish = deployment.host.run(f"LANG=es_ES.UTF-8; {command.replace('--lang en', '--lang es')}", check=False)
    assert "no funciona systemd" in spanish.stderr


def test_a_checkout_is_deployed_and_stays_its_owners(lab: Lab) -> None:
    deployment = Deployment(lab.host("git"), QUICK)
    deployment.bring_wheels()
    deployment.bring(FIRST)
    host, folder, git = deployment.host, deployment.folder, f"git -C {deployment.folder}"
    committing = f"{git} -c user.name=pi -c user.email=pi@localhost commit -q -m first"
    host.run(f"rm {folder}/COMMIT; {git} init -q && {git} add . && {committing}", "pi")
    commit = host.run(f"{git} rev-parse HEAD", "pi").stdout.strip()
    host.run(f"echo '# changed' >>{folder}/slave_agent/__init__.py", "pi")

    refused = deployment.run("--app-user nobodyhere", expect=4).stderr
    assert "no user nobodyhere" in refused and "Uncommitted changes" in refused
    deployment.run("--host 203.0.113.5 --host 2001:db8::5")
    assert deployment.runs(commit)
    assert host.run(f"find {folder} ! -user pi").stdout == ""
    assert host.run(f"{git} status --porcelain", "pi").stdout == " M slave_agent/__init__.py\n"
    names = host.run("openssl x509 -in /etc/d8-agent/certificate.pem -noout -ext subjectAltName").stdout
    assert "IP Address:203.0.113.5" in names and "IP Address:2001:DB8:0:0:0:0:0:5" in names and "DNS:203" not in names

    again = deployment.run("--host shop.example --app-user mallory")
    assert "installed already" in again.stdout
    assert "--host shop.example" in again.stderr and "echo mallory | sudo tee -a" in again.stderr
    assert "/typo cannot be read" in deployment.run("--token-file /typo", expect=2).stderr
    assert "--yes" in deployment.run("--uninstall", expect=2).stderr
    assert deployment.runs(commit)
    deployment.run("--uninstall", "--yes")
    assert not host.exists("/opt/d8-agent")


# --- the sudoers rule of older instructions ---


def test_the_sudoers_rule_is_explained_and_replaced(deployed: Deployment) -> None:
    host = deployed.host
    host.push(RULE.encode(), "/etc/sudoers.d/siax-agent", owner="root", mode=0o440)
    mixed = f"# kept\n{RULE}pi ALL=(ALL) NOPASSWD: /usr/bin/id\n"
    host.push(mixed.encode(), "/etc/sudoers.d/mixed", owner="root", mode=0o440)
    rights = "oper ALL=(ALL) ALL, NOPASSWD: /bin/systemctl\nana ALL=NOPASSWD: /usr/bin/id, NOPASSWD: /bin/systemctl\n"
    host.push(rights.encode(), "/etc/sudoers.d/oper", owner="root", mode=0o440)
    told = deployed.run().stdout
    assert "root for everybody" in told and "run this again with --yes" in told
    assert host.exists("/etc/sudoers.d/siax-agent")
    assert "Part of a longer rule: /etc/sudoers.d/oper." in deployed.run("--yes").stdout
    assert host.run("cat /etc/sudoers.d/oper; rm /etc/sudoers.d/oper").stdout == rights
    assert not host.exists("/etc/sudoers.d/siax-agent")
    assert host.run("cat /etc/sudoers.d/mixed").stdout == mixed.replace(RULE, "")
    assert host.run("stat -c %a /etc/sudoers.d/mixed").stdout == "440\n"
    assert "parsed OK" in host.run("visudo -c").stdout
    assert host.run("cat /var/backups/d8-sudoers-*/siax-agent").stdout == RULE
    assert "sudo rules" not in deployed.run("--status").stdout
    assert deployed.rests()


def test_a_sudoers_rule_through_an_alias_is_named_and_a_harmless_one_is_not(deployed: Deployment) -> None:
    host = deployed.host
    fixed = b"pi ALL=(root) NOPASSWD: /bin/systemctl restart shop.service\n"
    host.push(fixed, "/etc/sudoers.d/fixed", owner="root", mode=0o440)
    assert "sudo rules" not in deployed.run("--status").stdout
    alias = b"Cmnd_Alias UNITS = /usr/bin/systemctl\npi ALL=(root) NOPASSWD: UNITS\n"
    host.push(alias, "/etc/sudoers.d/alias", owner="root", mode=0o440)
    told = deployed.run("--yes").stdout
    assert "/etc/sudoers.d/alias: Cmnd_Alias UNITS" in told and "/etc/sudoers.d/fixed" not in told
    assert "by hand, with visudo" in told
    assert host.run("cat /etc/sudoers.d/alias").stdout == alias.decode()
    assert host.run(f"find {deployed.folder} -name __pycache__ -user root").stdout == ""


def test_broken_sudoers_files_are_left_alone(deployed: Deployment) -> None:
    host = deployed.host
    host.push(RULE.encode(), "/etc/sudoers.d/siax-agent", owner="root", mode=0o440)
    host.push(b"this is no rule\n", "/etc/sudoers.d/broken", owner="root", mode=0o440)
    said = deployed.run("--yes", user="root")
    assert "mend it first" in said.stderr
    assert host.run("cat /etc/sudoers.d/siax-agent").stdout == RULE


# --- kill -9 ---

SCRIPT = processes("desplegar_agent.sh")
PROVE = processes("d8-activate prove", begins_with=PYTHON)

NOW = "true"
STEPS: dict[str, dict[str, tuple[str, str]]] = {
    # The words that the script says when a step begins, and who lives at that step: the commands that print its pids,
    # and that say when to kill. The agent is the one before until the swap, a unit of its own, stops it; that is killed
    # while neither runs. Nothing of a deployment runs in the helper, and it has no master.
    "Installing its locked packages": {
        "script": (SCRIPT, NOW),
        "activation": (processes("d8-activate prepare", begins_with=PYTHON), NOW),
        "agent": (AGENT, NOW),
    },
    "Laying it out": {
        "script": (SCRIPT, NOW),
        "activation": (processes("d8-activate install", begins_with=PYTHON), NOW),
        "agent": (AGENT, NOW),
        "helper": (SERVING_HELPER, NOW),
    },
    "Trying it": {
        "script": (SCRIPT, NOW),
        "activation": (processes("d8-activate stage", begins_with=PYTHON), NOW),
        "agent": (AGENT, NOW),
        "helper": (SERVING_HELPER, NOW),
    },
    "Giving it port": {
        "script": (SCRIPT, NOW),
        "activation": (SWAP, swap_is_at("starting_agent")),
        "agent": (AGENT, NOW),
        "helper": (SERVING_HELPER, NOW),
    },
    "Proving it": {
        "script": (SCRIPT, NOW),
        "activation": (PROVE, NOW),
        "agent": (AGENT, NOW),
        "helper": (SERVING_HELPER, NOW),
    },
}
EVERY = [(step, victim) for step, victims in STEPS.items() for victim in victims]
SEEDED = [(step, random.Random(f"{SEED}-{step}").choice(list(victims))) for step, victims in STEPS.items()]


def kill_at(deployed: Deployment, step: str, victim: str) -> None:
    """Begin an upgrade and kill -9 the victim when the step begins: from then on a proved release always answers within
    the timeout, and the next run of the script settles everything."""
    host, first, second = deployed.host, deployed.confirmed(), another_commit()
    deployed.bring(second)
    script = host.popen(deployed.command("--stabilisation 5"), "root")
    assert script.stdout is not None
    for line in script.stdout:
        if step.encode() in line:
            break
    else:
        pytest.fail(f"the script never came to {step}")
    reader = threading.Thread(target=script.communicate)  # what it still says must not block it
    reader.start()

    def is_settled() -> bool:
        known = deployed.status()
        is_ours = known.get("answering", {}).get("commit") in (first, second)
        return is_ours and known.get("phase") in ("confirmed", "installed", "staged")

    with PortWatch(host, {deployed.fingerprint()}) as port:
        found, when = STEPS[step][victim]
        kill_9(host, found, when=when)
        reader.join(120)
        assert not reader.is_alive(), "the script never ended"
        assert wait_until(is_settled, 3 * CONFIRM_SECONDS), deployed.status()
        deployed.wait_for_lock()
        deployed.run(PATIENT, user="root")
        assert deployed.runs(second)
    port.assert_nobody_was_locked_out(CONFIRM_SECONDS + 5)


@pytest.mark.parametrize(("step", "victim"), SEEDED)
def test_a_kill_at_each_step_of_an_upgrade_locks_nobody_out(deployed: Deployment, step: str, victim: str) -> None:
    kill_at(deployed, step, victim)


@pytest.mark.full
@pytest.mark.parametrize(("step", "victim"), [case for case in EVERY if case not in SEEDED])
def test_any_kill_at_any_step_of_an_upgrade_locks_nobody_out(deployed: Deployment, step: str, victim: str) -> None:
    kill_at(deployed, step, victim)


def test_a_first_installation_that_was_killed_unconfirmed_is_gone_by_itself(deployment: Deployment) -> None:
    before = deployment.leftovers()
    host = deployment.host
    deployment.bring(FIRST)
    script = host.popen(deployment.command("--stabilisation 60"), "root")
    assert wait_until(lambda: deployment.status().get("phase") == "handed_over", 120)
    kill_9(host, f"{SCRIPT}; {PROVE}", when=f"{PROVE} >/dev/null")
    script.communicate()
    assert wait_until(lambda: deployment.leftovers() == before, 3 * CONFIRM_SECONDS), deployment.leftovers()
    deployment.wait_for_lock()
    deployment.run(user="root")
    assert deployment.runs(FIRST)


def test_the_next_run_takes_an_interrupted_first_installation_back(deployment: Deployment) -> None:
    host = deployment.host
    deployment.bring(FIRST)
    host.run("python3 -m venv --without-pip /home/pi/venv", "pi")  # whose Python root shall not run
    active = "env PATH=/home/pi/venv/bin:$PATH GIT_DIR=/nowhere "
    script = host.popen(active + deployment.command("--stabilisation 300 --confirm-timeout 600"), "root")
    assert wait_until(lambda: deployment.status().get("phase") == "handed_over", 120)
    kill_9(host, f"{SCRIPT}; {PROVE}", when=f"{PROVE} >/dev/null")
    script.communicate()
    deployment.wait_for_lock()
    assert "handed_over" in deployment.run("--status", expect=1).stdout
    again = host.run(active + deployment.command() + " >/dev/full", check=False, timeout_seconds=300)
    assert again.returncode == 0, again.stderr
    assert deployment.runs(FIRST)
    assert "/home/pi" not in host.run("grep -h ^ExecStart= /etc/systemd/system/d8-*").stdout
    assert host.run("ls -d /tmp/tmp.* /run/d8-deploy", check=False).stdout == ""


def test_two_at_once_do_not_meet(deployment: Deployment, lab: Lab) -> None:
    deployment.bring(FIRST)
    first = deployment.host.popen(deployment.command(), "root")
    try:
        assert wait_until(lambda: deployment.host.exists("/opt/d8-agent/releases"), 60)
        assert "Another deployment" in deployment.run(user="root", expect=1).stderr
    finally:
        first.communicate()
    assert deployment.runs(FIRST)
