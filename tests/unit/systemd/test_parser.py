"""What `systemctl show` said on three Debians, read: captured outputs in tests/fixtures/systemd/show/."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slave_agent.systemd.parser import ServiceStatus, parse_exposure, parse_show, parse_status_output, signal_name
from slave_agent.systemd.states import UnitState

SHOWN = Path(__file__).parents[2] / "fixtures" / "systemd" / "show"
DEBIANS = ("debian11", "debian12", "debian13")
S = UnitState
TABLE: dict[str, tuple[UnitState, dict[str, Any]]] = {
    "active": (S.ACTIVE, {"enabled": True, "restarts": 0, "result": "success", "exit_code": None}),
    "inactive": (S.INACTIVE, {"enabled": False, "pid": None, "since": None, "exit_code": None}),
    "failed-code": (S.FAILED, {"result": "exit-code", "exit_code": 3, "signal": None, "pid": None}),
    "failed-signal": (S.FAILED, {"result": "signal", "exit_code": None, "signal": "SIGSEGV"}),
    "killed": (S.FAILED, {"result": "signal", "exit_code": None, "signal": "SIGKILL"}),
    "auto-restart": (S.AUTO_RESTART, {"exit_code": 7, "pid": None, "sub_state": "auto-restart"}),
    "activating": (S.ACTIVATING, {"sub_state": "start-pre", "pid": None}),
    "deactivating": (S.DEACTIVATING, {"sub_state": "stop-sigterm"}),
    "reloading": (S.RELOADING, {"sub_state": "reload"}),
    "limit": (S.FAILED, {"restarts": 3, "exit_code": 5}),
    "no-program": (S.FAILED, {"exit_code": 203}),
    "no-folder": (S.FAILED, {"exit_code": 200}),
    "removed": (S.ACTIVE, {"load_state": "not-found", "fragment_path": None}),
    "edited": (S.ACTIVE, {"needs_reload": True}),
    "bad-setting": (S.INACTIVE, {"load_state": "bad-setting"}),
    "masked": (S.INACTIVE, {"load_state": "masked"}),
    "gone": (S.NOT_FOUND, {"load_state": "not-found", "since": None, "fragment_path": None, "enabled": False}),
}
WITH_PROCESS = {"active", "deactivating", "reloading", "removed", "edited"}


@pytest.mark.parametrize("debian", DEBIANS)
@pytest.mark.parametrize("name", TABLE)
def test_every_state_is_read(debian: str, name: str) -> None:
    state, facts = TABLE[name]
    status = parse_status_output((SHOWN / debian / f"{name}.txt").read_text())
    assert status.unit == f"d8-app-{name}.service"
    assert status.state is state
    assert {field: getattr(status, field) for field in facts} == facts
    assert (status.pid is not None) == (name in WITH_PROCESS)
    if state not in (S.INACTIVE, S.NOT_FOUND):
        assert status.since is not None and status.since.startswith("2026-") and status.since.endswith("Z")


@pytest.mark.parametrize("debian", DEBIANS)
def test_many_units_are_read_from_one_output(debian: str) -> None:
    found = parse_show((SHOWN / debian / "many.txt").read_text())
    names = ("active", "inactive", "failed-code", "failed-signal", "auto-restart", "deactivating", "reloading", "gone")
    assert {unit: status.state for unit, status in found.items()} == {
        f"d8-app-{name}.service": TABLE[name][0] for name in names
    }
    for name in names:
        alone = parse_status_output((SHOWN / debian / f"{name}.txt").read_text())
        assert found[f"d8-app-{name}.service"].since == alone.since


def test_the_moment_is_iso_in_utc() -> None:
    status = parse_status_output("Id=a.service\nStateChangeTimestamp=Sun 2026-11-22 14:05:07.500651 UTC\n")
    assert status.since == "2026-11-22T14:05:07.500651Z"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("ActiveState=maintenance\nSubState=x", S.UNKNOWN),
        ("ActiveState=", S.UNKNOWN),
        ("LoadState=loaded", S.UNKNOWN),
        ("ActiveState=refreshing", S.RELOADING),
        ("ActiveState=activating\nSubState=auto-restart-queued", S.AUTO_RESTART),
        ("ActiveState=failed\nLoadState=not-found", S.FAILED),
    ],
)
def test_what_no_host_had_has_a_state_too(text: str, state: UnitState) -> None:
    assert parse_status_output(f"Id=a.service\n{text}\n").state is state


def test_nothing_is_made_up_from_nonsense() -> None:
    assert parse_show("") == {}
    assert parse_show("no equals sign\n\n=\n") == {}
    assert parse_status_output("Failed to connect to bus") == ServiceStatus("", S.UNKNOWN)
    odd = parse_status_output("Id=a.service\nMainPID=x\nNRestarts=-1\nMemoryCurrent=18446744073709551615\n")
    assert (odd.pid, odd.restarts, odd.memory_bytes) == (None, 0, None)
    assert parse_status_output("Id=a.service\nMemoryCurrent=4096\nResult=a=b\n").memory_bytes == 4096


@pytest.mark.parametrize(("number", "name"), [(9, "SIGKILL"), (15, "SIGTERM"), (35, "SIGRTMIN+1"), (99, "99")])
def test_signals_have_names(number: int, name: str) -> None:
    assert signal_name(number) == name


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("✗ PrivateNetwork= 0.5\n\n→ Overall exposure level for d8-app-a.service: 2.6 OK 🙂\n", 2.6),
        ("-> Overall exposure level for a.service: 10.0 DANGEROUS :-(", 10.0),
        ("Unit a.service not found.", None),
        ("", None),
    ],
)
def test_the_exposure_is_a_number(text: str, level: float | None) -> None:
    assert parse_exposure(text) == level


def test_what_was_added_to_the_unit_alone_is_told() -> None:
    paths = (
        "/usr/lib/systemd/system/service.d/10-all.conf",
        "/etc/systemd/system/d8-app-.service.d/prefix.conf",
        "/etc/systemd/system/d8-app-shop.service.d/override.conf",
        "/etc/systemd/system.control/d8-app-shop.service.d/50-MemoryMax.conf",
    )
    status = parse_status_output(f"Id=d8-app-shop.service\nDropInPaths={' '.join(paths)}\n")
    assert status.drop_ins == paths[2:]
    assert parse_status_output("Id=d8-app-shop.service\nDropInPaths=\n").drop_ins == ()
