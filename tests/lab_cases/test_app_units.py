"""Rendered units on real systemd: every kind of app under every preset, limits, and a start limit that trips."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slave_agent.systemd.environment_file import render_environment
from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.restarts import BURST, restart_settings
from slave_agent.systemd.service_config import ServiceConfig, config_from
from slave_agent.systemd.service_generator import Placement, render_unit
from slave_agent.systemd.states import Hardening, RestartPolicy, UnitState
from slave_agent.systemd.systemctl import Systemctl
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.handover import wait_until

pytestmark = pytest.mark.lab
APPS = Path(__file__).parents[1] / "fixtures" / "apps"
NODE, NPM, PYTHON = "/usr/bin/node", "/usr/local/bin/npm", "/usr/bin/python3"
UVICORN_PYTHON = "/opt/fastapi-venv/bin/python"
# kind → folder, script, interpreter, what the running app is known by
KINDS = {
    "node": ("node_app", "/srv/node_app/server.js", NODE),
    "npm": ("node_app", "serve", NPM),
    "python": ("fastapi_app", "/srv/fastapi_app/worker.py", PYTHON),
    "module": ("fastapi_app", "worker", PYTHON),
    "fastapi": ("fastapi_app", "main:app", UVICORN_PYTHON),
}
HTTP_KINDS = ("node", "npm", "fastapi")
WORST_EXPOSURE = {"standard": 3.0, "strict": 1.7, "off": 10}  # by systemd-analyze security
TOUCH = """\
import ctypes, multiprocessing, os, sqlite3, tempfile, threading
callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda number: number + 1)
pipe = multiprocessing.Queue()
child = multiprocessing.Process(target=pipe.put, args=(callback(1),))
child.start()
done = [pipe.get(), os.path.exists(tempfile.mkstemp()[1]), sqlite3.connect("data.db").execute("select 1").fetchone()]
child.join()
print("everything works", done, flush=True)
threading.Event().wait()
"""


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[Host]:
    """A host with Node.js and FastAPI, and the apps in /srv, pi's."""
    host = lab.host("apps")
    for name in ("node_app", "fastapi_app"):
        host.push(APPS / name, f"/srv/{name}", owner="pi")
    host.push(TOUCH.encode(), "/srv/fastapi_app/touch.py", owner="pi")
    host.run("chown -R pi: /srv && mkdir -p /etc/d8-agent/apps")
    yield host
    lab.remove(host)


def app(name: str, kind: str, **changes: Any) -> tuple[ServiceConfig, Placement]:
    folder, script, interpreter = KINDS[kind]
    document = {"name": name, "kind": kind, "script": script, "user": "pi", "working_dir": f"/srv/{folder}", **changes}
    return config_from(document), Placement(False, f"/etc/d8-agent/apps/{name}.env", interpreter)


def install(host: Host, *apps: tuple[ServiceConfig, Placement], replaced: tuple[str, str] = ("", "")) -> None:
    for config, placement in apps:
        text = render_unit(config, placement).replace(*replaced)
        host.push(text.encode(), f"/etc/systemd/system/{config.unit}")
        host.push(render_environment(config.environment).encode(), placement.environment_file, mode=0o600)
    host.run("systemctl daemon-reload")


def systemctl(host: Host) -> Systemctl:
    def run(argv: Any, seconds: float) -> Any:
        done = host.run(list(argv), check=False, timeout_seconds=seconds)
        return Ended(done.returncode, done.stdout, done.stderr)

    return Systemctl(run)


class Ended:
    def __init__(self, exit_code: int, stdout: str, stderr: str) -> None:
        self.exit_code, self.stdout, self.stderr = exit_code, stdout, stderr


def status(host: Host, unit: str) -> ServiceStatus:
    return systemctl(host).show([unit])[unit]


def log(host: Host, unit: str) -> str:
    return host.run(["journalctl", "--unit", unit, "--output=cat", "--no-pager"]).stdout


@pytest.mark.parametrize("preset", [preset.value for preset in Hardening])
def test_every_kind_of_app_runs_under_every_preset(host: Host, preset: str) -> None:
    apps = {}
    for number, kind in enumerate(KINDS):
        port = 9000 + number if kind in HTTP_KINDS else None
        apps[kind] = app(f"{kind}-{preset}", kind, hardening=preset, host="127.0.0.1", port=port)
    apps["everything"] = app(f"every-{preset}", "python", script="/srv/fastapi_app/touch.py", hardening=preset)
    host.run("rm -f /srv/fastapi_app/data.db")
    install(host, *apps.values())
    units = [config.unit for config, _ in apps.values()]
    assert systemctl(host).verify(f"/etc/systemd/system/{units[0]}") == ()
    host.run(["systemctl", "start", *units], timeout_seconds=120)
    for kind, (config, _) in apps.items():
        if kind in HTTP_KINDS:
            health = f"curl -sS --fail http://127.0.0.1:{config.port}/health"
            assert wait_until(lambda health=health: host.run(health, check=False).returncode == 0, 60), log(
                host, config.unit
            )
        wanted = (
            "everything works" if kind == "everything" else "worker: beat 2" if config.port is None else "preparing"
        )
        assert wait_until(lambda unit=config.unit, wanted=wanted: wanted in log(host, unit), 60), log(host, config.unit)
        exposure = systemctl(host).exposure(config.unit)
        assert exposure is not None and 0 < exposure <= WORST_EXPOSURE[preset], exposure
    host.run(["systemctl", "stop", *units], timeout_seconds=120)
    for unit in units:
        ended = status(host, unit)
        assert (ended.state, ended.result, ended.pid) == (UnitState.INACTIVE, "success", None), log(host, unit)


def test_denying_code_at_run_time_breaks_node(host: Host) -> None:
    """Why no preset of node's has it."""
    config, placement = app("denied", "node", port=9100)
    install(host, (config, placement), replaced=("NoNewPrivileges=yes", "MemoryDenyWriteExecute=yes"))
    host.run(["systemctl", "start", config.unit], check=False)
    assert wait_until(lambda: status(host, config.unit).result not in ("", "success"), 60), log(host, config.unit)
    host.run(["systemctl", "stop", config.unit])


PAUSES = (0.1, 1.0, 2.0, 3.0, 5.0)


def test_the_start_limit_trips_whatever_the_pause(host: Host) -> None:
    apps = []
    standard = restart_settings(RestartPolicy.ALWAYS)
    for number, pause in enumerate(PAUSES):
        one = app(f"crash-{number}", "python", environment={"CRASH": "at-start"}, restart="always")
        limit, service = restart_settings(RestartPolicy.ALWAYS, pause)
        text = render_unit(*one)
        for old, new in zip((*standard[0], *standard[1]), (*limit, *service), strict=True):
            text = text.replace(f"{old[0]}={old[1]}\n", f"{new[0]}={new[1]}\n")
        install(host, one)
        host.push(text.encode(), f"/etc/systemd/system/{one[0].unit}")
        apps.append(one[0].unit)
    host.run("systemctl daemon-reload")
    host.run(["systemctl", "start", *apps], check=False, timeout_seconds=60)

    def given_up() -> bool:
        return all(one.state is UnitState.FAILED for one in systemctl(host).show(apps).values())

    assert wait_until(given_up, 120, pause=1), systemctl(host).show(apps)
    ended = systemctl(host).show(apps)
    assert {unit: one.restarts for unit, one in ended.items()} == dict.fromkeys(apps, BURST)
    assert {one.exit_code for one in ended.values()} == {1}


def test_limits_and_dependencies_are_systemds_own(host: Host) -> None:
    one = app(
        "limited", "python", memory_bytes=2**27, cpu_percent=150, tasks=40, after=["cron.service"], wants=["x.service"]
    )
    install(host, one)
    shown = host.run(["systemctl", "show", one[0].unit]).stdout.splitlines()
    facts = dict(line.split("=", 1) for line in shown if "=" in line)
    assert (facts["MemoryMax"], facts["CPUQuotaPerSecUSec"], facts["TasksMax"]) == ("134217728", "1.500000s", "40")
    assert {"cron.service", "network.target"} <= set(facts["After"].split())
    assert "x.service" in facts["Wants"].split()
    assert (facts["User"], facts["Type"], facts["Restart"]) == ("pi", "exec", "on-failure")


def test_one_question_tells_of_all_units(host: Host) -> None:
    units = [app(f"many-{number}", "python") for number in range(20)]
    install(host, *units)
    names = [config.unit for config, _ in units]
    found = systemctl(host).show([*names, "d8-app-nowhere.service"])
    assert [found[name].state for name in names] == [UnitState.INACTIVE] * 20
    assert found["d8-app-nowhere.service"].state is UnitState.NOT_FOUND
    assert found[names[0]].fragment_path == f"/etc/systemd/system/{names[0]}"


@pytest.mark.parametrize("profile", ["no-sudo", "debian13"])
def test_a_users_own_manager_runs_every_preset(lab: Lab, profile: str) -> None:
    host = lab.host(profile, linger=True)
    try:
        folder, units = f"/home/{host.user}/shop", []
        host.push(TOUCH.encode(), f"{folder}/touch.py", owner=host.user)
        for preset in Hardening:
            document = {"name": f"mine-{preset.value}", "kind": "python", "script": f"{folder}/touch.py"}
            config = config_from({**document, "user": host.user, "working_dir": folder, "hardening": preset.value})
            placement = Placement(True, f"{folder}/{config.name}.env", PYTHON, "default.target")
            host.push(render_unit(config, placement).encode(), f"/home/{host.user}/.config/systemd/user/{config.unit}")
            host.push(b"", placement.environment_file)
            units.append(config.unit)
        host.run(f"chown -R {host.user}: /home/{host.user}; loginctl enable-linger {host.user}")
        manager = f"XDG_RUNTIME_DIR=/run/user/$(id -u {host.user})"
        assert wait_until(lambda: host.run(f"test -S /run/user/$(id -u {host.user})/bus", check=False).is_success, 60)
        verify = f"systemd-analyze --user verify --man=no ~/.config/systemd/user/{units[-1]}"
        assert "d8-app" not in host.run(f"{manager} {verify}", host.user, check=False).stderr
        host.run(
            f"{manager} systemctl --user daemon-reload && {manager} systemctl --user start {' '.join(units)}", host.user
        )
        for unit in units:
            read = f"journalctl --user-unit={unit} --output=cat --no-pager"
            worked = f"{manager} {read} | grep -q 'everything works'"
            assert wait_until(lambda worked=worked: host.run(worked, host.user, check=False).is_success, 60), unit
    finally:
        lab.remove(host)
