from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from slave_agent.monitor.reconcile import reconcile
from slave_agent.orchestrator.app_status import AppSeen, problem_with, status_document
from slave_agent.orchestrator.app_store import AppRecord
from slave_agent.orchestrator.unit_text import unit_file_state
from slave_agent.states import AppPhase
from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.service_config import config_from, document_of
from slave_agent.systemd.service_generator import Placement, render_unit
from slave_agent.systemd.states import UnitState
from slave_agent.systemd.unit_files import UnitFileState
from tests.unit.orchestrator.conftest import DOCUMENT

CONFIG = config_from(DOCUMENT)
RECORD = AppRecord("shop", document_of(CONFIG))
ACTIVE = ServiceStatus(CONFIG.unit, UnitState.ACTIVE, load_state="loaded", pid=7)
SEEN = AppSeen(RECORD, CONFIG, ACTIVE, None, UnitFileState.UNTOUCHED)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    file = tmp_path / CONFIG.unit
    file.write_text(render_unit(CONFIG, Placement(False, "/etc/d8-agent/apps/shop.env", "/usr/bin/node")))
    return file


def look(unit: Path, **more: object) -> UnitFileState | None:
    return unit_file_state(replace(ACTIVE, fragment_path=str(unit), **more))


def test_a_unit_as_it_was_written_and_one_that_was_edited(unit: Path) -> None:
    assert look(unit) is UnitFileState.UNTOUCHED
    unit.write_text(unit.read_text().replace("[Service]", "[Service]\nNice=5"))
    assert look(unit) is UnitFileState.EDITED
    unit.write_text("[Service]\nExecStart=/bin/sleep 1000\n")
    assert look(unit) is UnitFileState.FOREIGN


def test_a_file_that_is_not_seen_is_missing_only_if_systemd_misses_it_too(unit: Path) -> None:
    unit.unlink()
    assert look(unit) is None
    assert look(unit, needs_reload=True) is UnitFileState.MISSING
    assert unit_file_state(ACTIVE) is None


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (SEEN, None),
        (replace(SEEN, file=None), None),
        (replace(SEEN, record=RECORD.in_phase(AppPhase.EDITING)), "being changed"),
        (replace(SEEN, unit=replace(ACTIVE, state=UnitState.NOT_FOUND)), "removed by hand"),
        (replace(SEEN, file=UnitFileState.MISSING), "removed by hand"),
        (replace(SEEN, unit=replace(ACTIVE, load_state="not-found"), file=None), "removed by hand"),
        (replace(SEEN, file=UnitFileState.EDITED), "changed by hand"),
        (replace(SEEN, config=replace(CONFIG, port=3000), is_deaf=True), "nothing of it listens on its port 3000"),
        (replace(SEEN, unit=replace(ACTIVE, drop_ins=("/etc/x.conf",))), "added to by hand in /etc/x.conf"),
        (replace(SEEN, file=UnitFileState.FOREIGN), "another unit"),
        (replace(SEEN, unit=replace(ACTIVE, state=UnitState.UNKNOWN)), "did not tell"),
        (replace(SEEN, unit=replace(ACTIVE, needs_reload=True)), "has not read it again"),
        (replace(SEEN, unit=replace(ACTIVE, state=UnitState.FAILED, result="start-limit-hit")), "too often"),
    ],
)
def test_in_what_the_record_and_the_machine_differ(seen: AppSeen, expected: str | None) -> None:
    told = problem_with(seen)
    assert told is None if expected is None else expected in str(told)


def test_a_status_without_a_process_is_read_by_the_table() -> None:
    document = status_document(SEEN, reconcile)
    assert (document["status"], document["state"], document["cpu_percent"]) == ("crashed", "active", None)
