"""Apps on a really built slave with root's helper: the mission's cases, crashes, kills, edits by hand, many apps."""

from __future__ import annotations

import hashlib
import json
import random
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from d8.masking import encodings_of
from slave_agent.webhook import WebhookSecret, sign
from tests.lab.lab import Lab
from tests.support import app_cases
from tests.support.app_slave import Answer, AppSlave, eventually, node, python
from tests.support.master import Master
from tests.support.random_requests import APP, WEBHOOK, run_schemathesis

SLEEPER = "import signal\nsignal.pause()\n"
SHIM = '#!/bin/sh\necho "$@" >> /var/lib/d8-agent/systemctl-runs\nexec /usr/bin/systemctl "$@"\n'
DROP_IN = "[Service]\nEnvironment=PATH=/opt/shim:/usr/local/bin:/usr/bin:/bin\n"
LOOKS = 10
SEED = 20261122
PLANTED = {"register": "planted-by-register-4711-aZ", "patch": "planted-by-patch-4712-aZ", "refused": "planted-0815-aZ"}
# Runs on the host as root until it is ended: every command line that any process ever shows.
WATCH = """
import glob, os, sys, time
seen = set()
while not os.path.exists("/run/stop-watching"):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as stream:
                seen.add(stream.read())
        except OSError:
            pass
    time.sleep(0.01)
sys.stdout.buffer.write(b"\\n".join(seen))
"""


@pytest.fixture(scope="module")
def slave(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppSlave]:
    host = lab.host("apps")
    master = Master(tmp_path_factory.mktemp("master"), lab.master_address)
    master.bring_bootstrap(host)
    master.build(host)
    built = AppSlave(host, master.token("agent"), master.data / "pki" / "d8-ca.pem", host.user)
    built.bring_apps()
    yield built
    lab.remove(host)


@pytest.fixture(autouse=True)
def no_app_is_left(slave: AppSlave) -> Iterator[None]:
    """Each test begins and ends without an app, whatever became of it."""
    yield
    for name in slave.names():
        slave.patiently("DELETE", f"/api/apps/{name}")


# --- a token that may operate ---


def test_a_token_that_may_operate_makes_no_root(slave: AppSlave) -> None:
    """Over HTTP, with a user who himself may become root without a password, under the weakest preset."""
    host = slave.host
    assert host.run("sudo -n id -u", slave.user).stdout.strip() == "0", "the user himself may"
    granted = secrets.token_urlsafe(24)
    body = {"scope": "operate", "token_sha256": hashlib.sha256(granted.encode()).hexdigest()}
    slave.done("PUT", "/api/agent/tokens/operator", body, 201)
    operator = replace(slave, token=granted)
    assert operator.call("POST", "/api/execute", {"command": "id"}).status == 403
    proof = f"{slave.home}/proof"
    by_itself = f"import os, time; os.system('sudo -n id -u > {proof} 2>&1'); time.sleep(600)"
    timeit = {"script": "/usr/lib/python3.11/timeit.py", "arguments": ["-n1", "-r1", by_itself]}
    sudo = {"interpreter": "/usr/bin/sudo", "script": "/bin/sh", "arguments": ["-c", f"id -u > {proof}; sleep 600"]}
    host.run(f"rm -f {proof}")
    for name, program in (("asks", timeit), ("is", sudo)):
        answer = operator.patiently("POST", "/api/apps/register", python(slave, name, hardening="off") | program)

        look = f"cat {proof}; journalctl -u d8-app-{name}.service -o cat --no-pager"

        def is_refused(command: str = look) -> bool:
            return "no new privileges" in host.run(command, check=False).stdout

        eventually(is_refused, f"{name}: sudo to refuse ({answer.status})")
        assert "0" not in host.run(look, check=False).stdout.splitlines()
    for user in ("root", "d8-agent"):
        answer = operator.patiently("POST", "/api/apps/register", python(slave, "other", user=user))
        assert (answer.status, answer.document["problems"][0]["field"]) == (422, "user"), answer
    slave.done("DELETE", "/api/agent/tokens/operator")
    assert operator.call("GET", "/api/apps").status == 401


# --- the mission's cases ---


@pytest.mark.parametrize("kind", app_cases.KINDS)
def test_an_app_lives_from_register_to_delete(slave: AppSlave, kind: str) -> None:
    app_cases.an_app_lives_from_register_to_delete(slave, kind)


def test_a_second_operation_within_a_second_is_refused(slave: AppSlave) -> None:
    app_cases.a_second_operation_within_a_second_is_refused(slave)


def test_what_can_not_run_is_refused_with_every_wrong_field_at_once(slave: AppSlave) -> None:
    app_cases.what_can_not_run_is_refused_with_every_wrong_field_at_once(slave)


@pytest.mark.parametrize("kind", ["node", "fastapi"])
def test_an_app_that_crashes_at_start_is_refused_with_its_reason(slave: AppSlave, kind: str) -> None:
    app_cases.an_app_that_crashes_at_start_is_refused_with_its_reason(slave, kind)


def test_a_change_is_shown_applied_on_request_and_taken_back_if_it_fails(slave: AppSlave) -> None:
    app_cases.a_change_is_shown_applied_on_request_and_taken_back_if_it_fails(slave)


# --- apps that crash, and hands at their files ---


def test_an_app_that_crashes_later_is_seen_and_started_again_by_systemd(slave: AppSlave) -> None:
    first = slave.done("POST", "/api/apps/register", node(slave), 201)
    slave.host.kill(first["pid"])

    def is_back() -> bool:
        seen = slave.status("shop")
        return bool(seen["status"] == "running" and seen["pid"] != first["pid"] and seen["restarts"] == 1)

    eventually(is_back, "the app to run as another process")


def test_an_app_that_keeps_ending_is_given_up_by_systemd_and_start_says_why(slave: AppSlave) -> None:
    slave.done("POST", "/api/apps/register", node(slave), 201)
    slave.host.run(f"mv {slave.home}/node_app/server.js {slave.home}/node_app/server.js.away")
    slave.host.push(b"process.exit(9)\n", f"{slave.home}/node_app/server.js", owner=slave.user)
    try:
        answer = slave.patiently("POST", "/api/apps/shop/restart")
        assert (answer.status, answer.document["exit_code"]) == (422, 9), answer
        assert "restored" not in answer.document
        eventually(lambda: slave.status("shop")["state"] == "failed", "systemd to give up", 120)
        assert slave.status("shop")["status"] == "failed"
    finally:
        slave.host.run(f"mv {slave.home}/node_app/server.js.away {slave.home}/node_app/server.js")
    assert slave.done("POST", "/api/apps/shop/start")["status"] == "running"


def test_a_unit_changed_by_hand_is_reported_and_written_again_by_a_change(slave: AppSlave) -> None:
    first = slave.done("POST", "/api/apps/register", node(slave), 201)
    unit = "/etc/systemd/system/d8-app-shop.service"
    written = slave.host.read_text(unit)
    slave.host.run(f"sed -i 's/^Restart=.*/Restart=no/' {unit} && systemctl daemon-reload")
    assert "changed by hand" in slave.status("shop")["problem"]
    slave.done("PATCH", "/api/apps/shop", {})
    assert slave.host.read_text(unit) == written
    seen = slave.status("shop")
    assert (seen["problem"], seen["status"], seen["pid"]) == (None, "running", first["pid"])


def test_a_unit_removed_by_hand_is_reported_and_written_again_by_a_restart(slave: AppSlave) -> None:
    slave.done("POST", "/api/apps/register", node(slave), 201)
    slave.host.run("systemctl disable --now d8-app-shop && rm /etc/systemd/system/d8-app-shop.service")
    slave.host.run("systemctl daemon-reload")
    seen = slave.status("shop")
    assert seen["state"] == "not-found" and "removed by hand" in seen["problem"]
    assert slave.done("POST", "/api/apps/shop/restart")["status"] == "running"
    again = slave.status("shop")
    assert (again["problem"], again["enabled"]) == (None, True)
    eventually(lambda: slave.asks_app(3100, "/environment")["GREETING"].startswith("hola"), "its environment")


def test_a_unit_removed_by_hand_while_its_app_runs_on_its_port_keeps_nobody_out(slave: AppSlave) -> None:
    first = slave.done("POST", "/api/apps/register", node(slave), 201)
    unit = "/etc/systemd/system/d8-app-shop.service"
    removing = f"rm {unit} && systemctl daemon-reload"
    slave.host.run(removing)
    seen = slave.status("shop")
    assert (seen["status"], seen["pid"]) == ("running", first["pid"]) and "removed by hand" in seen["problem"]

    def is_told() -> bool:
        return any(event["kind"] == "unit-missing" for event in slave.done("GET", "/api/events")["events"])

    eventually(is_told, "the event of the missing unit", 120)
    slave.done("PATCH", "/api/apps/shop", {"tasks": 60})
    seen = slave.status("shop")
    assert (seen["problem"], seen["pid"]) == (None, first["pid"])
    slave.host.run(removing)
    assert slave.done("POST", "/api/apps/shop/disable")["enabled"] is False
    assert slave.done("POST", "/api/apps/shop/stop")["pid"] is None
    assert slave.host.run(f"test -e {unit}", check=False).returncode != 0
    assert slave.done("POST", "/api/apps/shop/start")["status"] == "running"
    slave.host.run(removing)
    assert slave.done("POST", "/api/apps/shop/restart")["status"] == "running"
    again = slave.status("shop")
    assert (again["problem"], again["enabled"]) == (None, True)
    eventually(lambda: slave.asks_app(3100, "/environment")["GREETING"].startswith("hola"), "its environment")


def test_an_app_whose_record_is_lost_and_that_was_added_to_by_hand_is_told_and_removed_whole(slave: AppSlave) -> None:
    slave.done("POST", "/api/apps/register", node(slave), 201)
    slave.host.run("systemctl set-property d8-app-shop.service MemoryMax=64M")
    folder = "/etc/systemd/system/d8-app-shop.service.d"
    slave.host.run(f"mkdir -p {folder} && printf '[Service]\\nEnvironment=ADDED=1\\n' > {folder}/override.conf")
    slave.host.run("systemctl daemon-reload")
    told = slave.status("shop")["problem"]
    assert "system.control" in told and "override.conf" in told, told

    slave.host.run("rm /var/lib/d8-agent/apps/shop.json && systemctl restart d8-agent")
    slave.wait_for_agent()
    eventually(lambda: slave.names() == ["shop"], "the app whose record is lost")
    [seen] = slave.done("GET", "/api/apps")["apps"]
    assert (seen["unit"], seen["state"]) == ("d8-app-shop.service", "active") and "is lost" in seen["problem"]
    assert slave.done("POST", "/api/apps/shop/stop")["state"] == "inactive"
    assert slave.done("POST", "/api/apps/shop/start")["state"] == "active"
    slave.done("DELETE", "/api/apps/shop")
    left = slave.host.run("find /etc/systemd /run/systemd -path '*d8-app-shop*'", check=False).stdout
    assert (left, slave.names()) == ("", [])

    again = slave.done("POST", "/api/apps/register", node(slave), 201)
    assert again["problem"] is None
    assert slave.shows("shop", "MemoryMax")["MemoryMax"] == "infinity"


def test_apps_are_started_side_by_side(slave: AppSlave) -> None:
    """One after the other, each would begin only after the one before has proved itself for its six seconds."""
    names = [f"side-{number}" for number in range(4)]
    with ThreadPoolExecutor(len(names)) as pool:
        documents = [python(slave, name, stabilisation_seconds=6) for name in names]
        answers = list(pool.map(lambda document: slave.call("POST", "/api/apps/register", document), documents))
    assert [answer.status for answer in answers] == [201] * 4, answers
    began = sorted(datetime.fromisoformat(answer.document["since"]) for answer in answers)
    gaps = [(after - before).total_seconds() for before, after in pairwise(began)]
    assert min(gaps) < 6, gaps


# --- an order by webhook ---


def test_a_signed_order_restarts_an_app_once(slave: AppSlave) -> None:
    first = slave.done("POST", "/api/apps/register", python(slave, stabilisation_seconds=1), 201)
    secret = WebhookSecret(WEBHOOK["secret"])
    assert slave.done("PUT", "/api/agent/webhook", {"secret": secret.secret}) == {"enabled": True, "plain": False}
    try:
        order = {"action": "restart", "app_name": "worker"}
        now = int(slave.host.run("date +%s").stdout)
        headers = {
            "webhook-id": "msg_restart",
            "webhook-timestamp": str(now),
            "webhook-signature": sign(secret, "msg_restart", now, json.dumps(order).encode()),
        }
        time.sleep(1.0)  # the second after register in which the app takes no other operation
        answer = slave.call("POST", "/webhook/command", order, headers=headers)
        assert (answer.status, answer.document.get("status")) == (200, "running"), answer
        restarted = slave.status("worker")["pid"]
        assert restarted not in (None, first["pid"])
        assert slave.owner_of(first["pid"]) == "" and slave.owner_of(restarted) == slave.user
        assert slave.call("POST", "/webhook/command", order, headers=headers).status == 409
        assert slave.status("worker")["pid"] == restarted
    finally:
        slave.done("PUT", "/api/agent/webhook", {})


# --- values of environments ---


def files_with(slave: AppSlave, value: str) -> list[str]:
    """Every file outside the app's own process that holds a value, in any encoding."""
    places = f"/etc /opt /run /tmp /var /dev/shm {slave.home}"
    looked = slave.host.run(
        f"grep -rlaF --devices=skip -f - {places} 2>/dev/null", check=False, input="\n".join(encodings_of(value))
    )
    return sorted(looked.stdout.split())


def test_values_of_an_environment_are_in_their_file_and_nowhere_else(slave: AppSlave) -> None:
    kept = "/etc/d8-agent/apps/worker.env"
    said: list[str] = []

    def ask(method: str, path: str, document: object = None, status: int = 200) -> None:
        answer = slave.patiently(method, path, document)
        assert answer.status == status, (path, answer)
        said.append(str(answer.document))

    slave.host.run("rm -f /run/stop-watching")
    watcher = slave.host.popen(["python3", "-c", WATCH])
    values = {"SECRET": PLANTED["register"]}
    ask("POST", "/api/apps/register", python(slave, environment=values, stabilisation_seconds=1), 201)
    assert files_with(slave, PLANTED["register"]) == [kept], "and the search finds what is there"
    ask("PATCH", "/api/apps/worker", {"environment": {"SECRET": PLANTED["patch"]}, "restart": True})
    assert files_with(slave, PLANTED["register"]) == [], "a value that was replaced is gone"
    assert files_with(slave, PLANTED["patch"]) == [kept]
    wrong = {"BAD NAME": PLANTED["refused"], "GOOD": PLANTED["refused"] + "\x00"}
    ask("PATCH", "/api/apps/worker", {"environment": wrong}, 422)
    ask("POST", "/api/apps/register", python(slave, "other", environment=wrong), 422)
    ask("POST", "/api/apps/worker/restart")
    for path in ("", "/worker", "/worker/status", "/worker/logs"):
        ask("GET", f"/api/apps{path}")
    for path in ("/api/audit", "/api/events", "/api/processes", "/api/permissions", "/metrics"):
        ask("GET", path)
    ask("DELETE", "/api/apps/worker")
    slave.host.run("touch /run/stop-watching")
    watched, _ = watcher.communicate(timeout=60)

    assert b"systemctl" in watched and b"worker.py" in watched, "the watcher saw the app come and go"
    journal = slave.host.run("journalctl --no-pager -o export --all").stdout
    assert "d8-app-worker" in journal
    audit = slave.host.read_text("/var/lib/d8-agent/audit.jsonl")
    assert "PATCH /api/apps/worker" in audit
    for how, value in PLANTED.items():
        assert files_with(slave, value) == [], how
        for form in encodings_of(value):
            for place, text in (
                ("an answer", "\n".join(said)),
                ("a command line", watched.decode(errors="replace")),
                ("the journal", journal),
                ("the audit log", audit),
            ):
                assert form not in text, f"the value of {how} is in {place}"


# --- the agent is killed while it registers ---


def kill_while_registering(slave: AppSlave, delay_seconds: float) -> None:
    """Begin to register, kill the agent after the delay; after its restart the app is whole or gone."""
    answers: list[Answer] = []

    def register() -> None:
        try:
            answers.append(slave.call("POST", "/api/apps/register", node(slave, stabilisation_seconds=1)))
        except OSError:
            pass

    former = slave.agent_to_kill()
    caller = threading.Thread(target=register)
    caller.start()
    time.sleep(delay_seconds)
    slave.host.kill(former)
    caller.join(120)
    slave.wait_for_agent(former)

    def is_settled() -> bool:
        found = slave.call("GET", "/api/apps/shop/status")
        return found.status == 404 or found.document["problem"] is None

    eventually(is_settled, f"the app to be whole or gone after a kill at {delay_seconds:.2f} s")
    if slave.call("GET", "/api/apps/shop").status == 404:
        assert slave.left_of("shop") == [], f"killed at {delay_seconds:.2f} s"
    else:
        whole = slave.status("shop")
        assert (whole["status"], whole["enabled"]) == ("running", True), f"killed at {delay_seconds:.2f} s: {whole}"
        slave.done("DELETE", "/api/apps/shop")
    assert [answer.status for answer in answers] in ([], [201])


def test_an_agent_killed_while_registering_leaves_the_app_whole_or_gone(slave: AppSlave) -> None:
    moments = random.Random(SEED)
    for _ in range(4):
        kill_while_registering(slave, moments.uniform(0.05, 2.5))


@pytest.mark.full
def test_an_agent_killed_at_every_moment_of_a_register_leaves_the_app_whole_or_gone(slave: AppSlave) -> None:
    for step in range(40):
        kill_while_registering(slave, 0.05 + step * 0.06)


def test_an_agent_killed_while_changing_leaves_one_whole_version(slave: AppSlave) -> None:
    slave.done("POST", "/api/apps/register", node(slave, stabilisation_seconds=1), 201)
    moments = random.Random(SEED)
    for _ in range(3):
        former = slave.agent_to_kill()

        def change() -> None:
            try:
                slave.patiently("PATCH", "/api/apps/shop", {"environment": {"VERSION": "2"}, "restart": True})
            except OSError:
                pass

        caller = threading.Thread(target=change)
        caller.start()
        time.sleep(moments.uniform(0.1, 1.5))
        slave.host.kill(former)
        caller.join(120)
        slave.wait_for_agent(former)
        eventually(lambda: slave.status("shop")["problem"] is None, "the change to be settled")
        names = slave.done("GET", "/api/apps/shop")["environment_names"]
        expected = "2" if "VERSION" in names else "1"
        eventually(lambda version=expected: slave.asks_app(3100, "/health")["version"] == version, "that version")
        slave.done("PATCH", "/api/apps/shop", {"environment": {"VERSION": None}, "restart": True})


# --- many apps ---


def register_sleepers(slave: AppSlave, count: int) -> None:
    folder = f"{slave.home}/sleeper"
    slave.host.run(f"mkdir -p {folder}", slave.user)
    slave.host.push(SLEEPER.encode(), f"{folder}/main.py", owner=slave.user)

    def register(number: int) -> None:
        document = {
            "name": f"sleeper-{number}", "kind": "python", "script": f"{folder}/main.py", "user": slave.user,
            "working_dir": folder, "stabilisation_seconds": 0.5,
        }  # fmt: skip
        slave.done("POST", "/api/apps/register", document, 201)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(register, range(count)))


def count_runs(slave: AppSlave, count: int) -> None:
    """GET /api/apps again and again: each asks systemd once. The watcher's own looks are in the count, one in ten
    seconds.
    """
    host = slave.host
    host.run("install -d -m 755 /opt/shim")
    host.push(SHIM.encode(), "/opt/shim/systemctl", mode=0o755)
    host.push(DROP_IN.encode(), "/etc/systemd/system/d8-agent.service.d/shim.conf")
    former = slave.agent_pid()
    host.run("systemctl daemon-reload && systemctl restart d8-agent")
    slave.wait_for_agent(former)
    assert len(slave.names()) == count
    counting = "wc -l < /var/lib/d8-agent/systemctl-runs"
    before, began = int(host.run(counting).stdout), time.monotonic()
    for _ in range(LOOKS):
        assert len(slave.done("GET", "/api/apps")["apps"]) == count
    runs = int(host.run(counting).stdout) - before
    looks_of_the_watcher = int((time.monotonic() - began) / 8) + 1
    assert LOOKS <= runs <= LOOKS + looks_of_the_watcher
    host.run("rm -r /etc/systemd/system/d8-agent.service.d/shim.conf /opt/shim && systemctl daemon-reload")


@pytest.mark.parametrize("count", [12, pytest.param(200, marks=pytest.mark.full)])
def test_a_list_of_many_apps_runs_one_systemctl(slave: AppSlave, count: int) -> None:
    register_sleepers(slave, count)
    apps = slave.done("GET", "/api/apps")["apps"]
    assert {app["status"] for app in apps} == {"running"} and len(apps) == count
    count_runs(slave, count)


# --- random requests from the OpenAPI ---


def test_random_requests_from_the_openapi_meet_no_error_of_the_server(slave: AppSlave, tmp_path: Path) -> None:
    """Everything but commands, and what ends the agent or its token."""
    fuzz(slave, tmp_path, 12)


@pytest.mark.full
def test_many_random_requests_from_the_openapi_meet_no_error_of_the_server(slave: AppSlave, tmp_path: Path) -> None:
    fuzz(slave, tmp_path, 150)


def fuzz(slave: AppSlave, folder: Path, examples: int) -> None:
    slave.done("POST", "/api/apps/register", python(slave, APP, stabilisation_seconds=0.5), 201)
    slave.done("PUT", "/api/agent/webhook", WEBHOOK)
    began = slave.host.run("date '+%F %T'").stdout.strip()
    openapi = slave.done("GET", "/api/openapi.json")
    try:
        done = run_schemathesis(
            openapi, f"https://{slave.host.address}:7600", slave.token, slave.authority, folder, examples
        )
    finally:
        slave.done("PUT", "/api/agent/webhook", {})
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    assert slave.call("GET", "/api/health").status == 200

    def is_about_the_app(request: str) -> bool:
        log = slave.host.run(["journalctl", "--no-pager", "-o", "cat", "-u", "d8-agent", "--since", began]).stdout
        return any(f'"{request}" {status} ' in log for status in (200, 429))

    for request in (f"GET /api/apps/{APP}/logs", f"PATCH /api/apps/{APP}", "POST /webhook/command"):
        eventually(lambda request=request: is_about_the_app(request), f"{request} to be about the app")
