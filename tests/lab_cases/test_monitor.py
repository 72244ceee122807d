"""What the watcher of a built slave says of real units: crashed, zombie, restarted; told once an incident."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.master import Master

LOOKS_SECONDS = 120.0  # two looks ten seconds apart, on a machine that is busy
SCRIPT = """import os, signal, time
signal.signal(signal.SIGUSR1, lambda *_: os._exit(0))
print("till is open", flush=True)
while True:
    time.sleep(1)
"""


class Slave:
    """A built slave with one Python app, till, and its HTTP interface as curl sees it."""

    def __init__(self, master: Master, host: Host) -> None:
        self.host = host
        self.master = master
        self.token = master.token("agent")
        self.home = host.run("echo $HOME", host.user).stdout.strip()

    def call(self, method: str, path: str, body: object = None, seconds: int = 60) -> tuple[int, str]:
        words = ["curl", "-sS", "--max-time", str(seconds), "-X", method, "-w", "\n%{http_code}"]
        words += ["--cacert", str(self.master.data / "pki" / "d8-ca.pem"), "-H", "@-"]
        if body is not None:
            words += ["--data-raw", json.dumps(body), "-H", "Content-Type: application/json"]
        words.append(f"https://{self.host.address}:7600{path}")
        header = f"Authorization: Bearer {self.token}\n"
        done = subprocess.run(words, input=header, capture_output=True, text=True, check=True)
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text

    def json(self, method: str, path: str, body: object = None, expect: int = 200) -> Any:
        status, text = self.call(method, path, body)
        assert status == expect, f"{method} {path}: {status} {text}"
        return json.loads(text)

    def till(self) -> dict[str, Any]:
        [app] = self.json("GET", "/api/apps")["apps"]
        return dict(app)

    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.json("GET", "/api/events?after=0")["events"]]

    def wait(self, what: str, is_so: Callable[[], bool], seconds: float = LOOKS_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < deadline, f"{what} never: {self.till()} {self.json('GET', '/api/events')}"
            time.sleep(1)


@pytest.fixture
def slave(tmp_path, lab: Lab, bare_host: Host) -> Slave:
    master = Master(tmp_path, lab.master_address)
    master.bring_bootstrap(bare_host)
    master.build(bare_host)
    made = Slave(master, bare_host)
    script = tmp_path / "till.py"
    script.write_text(SCRIPT)
    bare_host.run(f"install -d -o {bare_host.user} {made.home}/till")
    bare_host.push(script, f"{made.home}/till/till.py", owner=bare_host.user, mode=0o644)
    app = {
        "name": "till",
        "kind": "python",
        "script": f"{made.home}/till/till.py",
        "user": bare_host.user,
        "working_dir": f"{made.home}/till",
    }
    assert made.json("POST", "/api/apps/register", app, expect=201)["status"] == "running"
    return made


def test_the_watcher_tells_each_incident_once(slave: Slave) -> None:
    host = slave.host
    first = slave.till()
    assert (first["status"], first["restarts"]) == ("running", 0)

    # Killed behind systemd's back: systemd brings it back, and that is told.
    host.run(f"kill -9 {first['pid']}")
    slave.wait("back", lambda: slave.till()["status"] == "running" and slave.till()["pid"] != first["pid"])
    slave.wait("restarted", lambda: slave.kinds()[:1] == ["restarted"])
    slave.wait("recovered", lambda: slave.kinds() == ["restarted", "recovered"])

    # The process ends by itself while its service counts as up.
    host.run(
        "mkdir -p /etc/systemd/system/d8-app-till.service.d && "
        "printf '[Service]\\nRemainAfterExit=yes\\n' > /etc/systemd/system/d8-app-till.service.d/stay.conf && "
        "systemctl daemon-reload"
    )
    host.run(f"kill -USR1 {slave.till()['pid']}")
    slave.wait("crashed", lambda: slave.till()["status"] == "crashed", 30)
    slave.wait("crashed is told", lambda: slave.kinds()[2:] == ["crashed"])
    host.run("systemctl restart d8-agent.service")
    slave.wait("the agent is back", lambda: slave.call("GET", "/api/health")[0] == 200)
    time.sleep(30)  # three more looks, of another process of the agent: not told again
    assert slave.kinds()[2:] == ["crashed"]

    # Its service is stopped, its process was started by hand.
    host.run("rm -r /etc/systemd/system/d8-app-till.service.d && systemctl daemon-reload")
    assert slave.json("POST", "/api/apps/till/stop")["status"] == "stopped"
    host.run(f"cd {slave.home}/till && setsid -f python3 till.py >/dev/null 2>&1 </dev/null", host.user)
    slave.wait("zombie", lambda: slave.till()["status"] == "zombie", 30)
    slave.wait("zombie is told", lambda: slave.kinds()[-1:] == ["zombie"])
    [loose] = [one for one in slave.json("GET", "/api/processes")["processes"] if "till.py" in one["command_line"]]
    assert (loose["user"], loose["working_dir"], loose["app"]) == (host.user, f"{slave.home}/till", None)

    status, page = slave.call("GET", "/metrics")
    assert status == 200
    samples = {
        (sample.name, sample.labels.get("status", "")): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.labels.get("app") == "till"
    }
    assert (samples["d8_app_up", ""], samples["d8_app_status", "zombie"]) == (0, 1)

    events = slave.json("GET", "/api/events?after=0")["events"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert {(event["type"], event["name"]) for event in events} == {("app", "till")}
    assert slave.json("GET", f"/api/events?after={events[-2]['id']}")["events"] == events[-1:]


def test_a_chosen_process_of_a_service_that_is_no_app_is_watched(slave: Slave) -> None:
    slave.host.run("systemd-run --unit=shop -p Restart=no python3 -c 'import time; time.sleep(6000)'")
    [shop] = slave.json("PUT", "/api/monitored", {"monitored": ["shop"]})["monitored"]
    assert (shop["unit"], shop["status"], shop["unit_state"]) == ("shop.service", "running", "active")
    time.sleep(15)  # it is seen up once
    slave.host.run(f"kill -9 {shop['pid']}")
    slave.wait("failed is told", lambda: ("process", "shop", "failed") in told(slave))
    [shop] = slave.json("GET", "/api/monitored")["monitored"]
    assert (shop["status"], shop["pid"]) == ("failed", None)
    assert "SIGKILL" in shop["detail"] or "signal" in shop["detail"]


def told(slave: Slave) -> list[tuple[str, str, str]]:
    events = slave.json("GET", "/api/events")["events"]
    return [(event["type"], event["name"], event["kind"]) for event in events]
