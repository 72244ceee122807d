"""Which processes are Node.js or Python, whose unit holds them, and which app they are."""

from __future__ import annotations

from typing import Any

import pytest

from slave_agent.monitor.detection import (
    DetectedProcess,
    ProcessKind,
    is_unclear,
    kind_of,
    process_of_app,
    runs,
    unit_in,
)
from slave_agent.systemd.service_config import ServiceConfig
from slave_agent.systemd.states import AppKind


def process(*command_line: str, **overrides: Any) -> DetectedProcess:
    """A process of ana in /srv/shop, in no unit."""
    fields: dict[str, Any] = {
        "pid": 500,
        "name": command_line[0].rpartition("/")[2][:15],
        "kind": ProcessKind.NODE,
        "command_line": command_line,
        "user": "ana",
        "unit": None,
        "working_dir": "/srv/shop",
        "executable": None,
        "started": "2026-01-01T00:00:00Z",
        "memory_bytes": 1,
    }
    return DetectedProcess(**(fields | overrides))


def app(kind: AppKind, script: str, **overrides: Any) -> ServiceConfig:
    return ServiceConfig(name="shop", kind=kind, script=script, user="ana", working_dir="/srv/shop", **overrides)


NODE_APP = app(AppKind.NODE, "/srv/shop/server.js")

KINDS = [
    ("node", ["node", "server.js"], None, "node"),
    ("node", ["/home/ana/.nvm/versions/node/v20.1.0/bin/node", "x"], None, "node"),
    ("npm start", ["npm start"], None, "node"),
    ("shop", ["shop"], "/usr/bin/node", "node"),
    ("python3", ["/usr/bin/python3", "a.py"], None, "python"),
    ("python3.11", ["python3.11", "-m", "shop"], None, "python"),
    ("uvicorn", ["/srv/shop/.venv/bin/python", "/srv/shop/.venv/bin/uvicorn", "main:app"], None, "python"),
    ("gunicorn", ["gunicorn: master [shop]"], None, "python"),
    ("bash", ["bash", "node"], None, None),
    ("nginx", ["nginx: worker process"], "/usr/sbin/nginx", None),
    ("node_exporter", ["/usr/bin/node_exporter"], "/usr/bin/node_exporter", None),
    ("pythonista", ["pythonista"], None, None),
    ("kworker", [], None, None),
]


@pytest.mark.parametrize(("name", "command_line", "executable", "expected"), KINDS)
def test_kinds(name: str, command_line: list[str], executable: str | None, expected: str | None) -> None:
    assert kind_of(name, command_line, executable) == expected


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/d8-app-shop.service\n", "d8-app-shop.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/d8-app-shop.service\n", "d8-app-shop.service"),
        ("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", None),
        ("0::/user.slice/user-1000.slice/session-3.scope\n", None),
        ("0::/system.slice/shop.service/worker\n", "shop.service"),
        ("0::/../../system.slice/shop.service\n", "shop.service"),
        ("1:name=systemd:/system.slice/cron.service\n0::/\n", "cron.service"),
        ("0::/\n", None),
        ("", None),
    ],
)
def test_the_unit_that_holds_a_process(cgroup: str, unit: str | None) -> None:
    assert unit_in(cgroup) == unit


RUNS = [
    (NODE_APP, process("node", "/srv/shop/server.js"), True),
    (NODE_APP, process("node", "server.js"), True),
    (NODE_APP, process("node", "server.js", working_dir="/srv/other"), False),
    (NODE_APP, process("node", "server.js", working_dir=None), False),
    (NODE_APP, process("node", "/srv/shop/server.js", working_dir=None), True),
    (NODE_APP, process("node", "/srv/shop/other.js"), False),
    (app(AppKind.NPM, "start"), process("npm run start"), True),
    (app(AppKind.NPM, "start"), process("npm", "run", "start"), True),
    (app(AppKind.NPM, "start"), process("npm run build"), False),
    (app(AppKind.MODULE, "shop.main"), process("python3", "-m", "shop.main"), True),
    (app(AppKind.MODULE, "shop.main"), process("python3", "-m", "shop.main", working_dir="/tmp/x"), False),
    (app(AppKind.MODULE, "shop.main"), process("python3", "shop.main"), False),
    (app(AppKind.FASTAPI, "main:app"), process("python", "-m", "uvicorn", "main:app", "--port", "80"), True),
    (app(AppKind.FASTAPI, "main:app"), process("python", "-m", "uvicorn", "other:app"), False),
]


@pytest.mark.parametrize(("config", "found", "expected"), RUNS)
def test_what_runs_what(config: ServiceConfig, found: DetectedProcess, expected: bool) -> None:
    assert runs(config, found) is expected


def test_systemds_pid_comes_first_then_the_units_own_then_a_loose_one() -> None:
    loose = process("node", "/srv/shop/server.js", pid=1)
    held = process("node", "worker.js", pid=2, unit="d8-app-shop.service")
    main = process("node", "anything", pid=3, unit="d8-app-shop.service")
    found = [loose, held, main]
    assert process_of_app(NODE_APP, NODE_APP.unit, 3, found) is main
    assert process_of_app(NODE_APP, NODE_APP.unit, None, found) is held
    assert process_of_app(NODE_APP, NODE_APP.unit, None, [loose]) is loose
    assert process_of_app(NODE_APP, NODE_APP.unit, 9, []) is None


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, True),
        ({"unit": "pm2-ana.service"}, True),
        ({"unit": "d8-app-other.service"}, False),
        ({"user": "eva"}, False),
    ],
)
def test_a_process_of_another_app_or_user_is_not_this_apps(overrides: dict[str, Any], expected: bool) -> None:
    found = process("node", "/srv/shop/server.js", **overrides)
    assert (process_of_app(NODE_APP, NODE_APP.unit, None, [found]) is found) is expected


def test_only_a_closed_folder_that_matters_is_asked_for() -> None:
    assert is_unclear(NODE_APP, process("node", "server.js", working_dir=None))
    assert not is_unclear(NODE_APP, process("node", "other.js", working_dir=None))
    assert not is_unclear(NODE_APP, process("node", "server.js"))
    assert not is_unclear(NODE_APP, process("node", "server.js", working_dir=None, user="eva"))
