"""Naughty texts on real systemd: an app gets exactly what was given, and nothing of it is ever run or set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from slave_agent.systemd.service_config import config_from, problems_in
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.support.naughty import CANARY, FIELDS, NAUGHTY, PLAIN
from tests.support.naughty_apps import (
    Case,
    case,
    check,
    chosen_cases,
    gather,
    lay_out,
    prepare_canary,
    whole_table_cases,
)

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", params=["bare", "debian13", "bullseye"])
def host(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    host = lab.host(request.param)
    prepare_canary(host)
    yield host
    lab.remove(host)


def install(host: Host, cases: list[Case]) -> None:
    lay_out(host, {path: content for one in cases for path, content in {**one.own_files, **one.service_files}.items()})
    host.run("systemctl daemon-reload")


def start(host: Host, cases: list[Case]) -> None:
    host.run(["systemctl", "start", *(one.config.unit for one in cases)], timeout_seconds=180)


def test_apps_get_exactly_what_was_given(host: Host) -> None:
    cases = [*chosen_cases(), *whole_table_cases()]
    install(host, cases)
    paths = [one.unit_path for one in cases]
    verified = host.run(["systemd-analyze", "verify", "--man=no", *paths], check=False, timeout_seconds=180)
    assert "naughty-" not in verified.stderr and "table-" not in verified.stderr, verified.stderr
    start(host, cases)
    check(host, cases)


def test_the_canary_would_be_seen(host: Host) -> None:
    """What the texts try does leave the canary when a unit holds it as it was meant."""
    one = case(99, "argument", "control", "x")
    install(host, [one])
    host.run(f"sed -i 's|^ExecStart=|ExecStartPre=/bin/touch {CANARY}\\n&|' {one.unit_path}; systemctl daemon-reload")
    start(host, [one])
    gather(host, [one])
    assert host.exists(CANARY)
    host.run(f"rm {CANARY}")


@pytest.mark.parametrize(("field", "setting"), [("description", "Description"), ("working_dir", "WorkingDirectory")])
def test_systemd_shows_what_was_given(host: Host, field: str, setting: str) -> None:
    """Every text of the table that the field takes, as systemd itself reads it from the unit. Nothing is started."""
    taken = [text for text in NAUGHTY.values() if text and not problems_in({**PLAIN, **FIELDS[field](text)})]
    assert len(taken) > 10
    cases = []
    for number, text in enumerate(taken):
        document = {**PLAIN, **FIELDS[field](text), "name": f"shown-{field.replace('_', '-')}-{number}"}
        cases.append(Case(config_from(document), text))
    lay_out(host, {one.unit_path: one.service_files[one.unit_path] for one in cases})
    host.run("systemctl daemon-reload", timeout_seconds=120)
    shown = host.run(["systemctl", "show", "-p", setting, "--value", *(one.config.unit for one in cases)])
    assert shown.stdout.strip("\n").split("\n\n") == taken
