from __future__ import annotations

from pathlib import Path

import pytest

from slave_agent.orchestrator.app_store import AppRecord, AppStore
from slave_agent.orchestrator.errors import RecordNotKept
from slave_agent.states import AppPhase
from slave_agent.systemd.service_config import config_from, document_of
from tests.unit.orchestrator.conftest import DOCUMENT


@pytest.fixture
def store(tmp_path: Path) -> AppStore:
    return AppStore(tmp_path / "apps")


def record(name: str = "shop", phase: AppPhase = AppPhase.REGISTERED) -> AppRecord:
    return AppRecord(name, document_of(config_from(DOCUMENT | {"name": name})), ("PORT", "TOKEN"), phase)


def test_what_was_written_is_found_again_and_no_value_of_an_environment_is_on_the_disk(
    store: AppStore, tmp_path: Path
) -> None:
    store.write(record())
    assert store.find("shop") == record()
    [file] = (tmp_path / "apps").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert "geheim" not in file.read_text()


def test_records_are_listed_by_name_and_forgotten(store: AppStore) -> None:
    assert store.all() == []
    for name in ("shop", "mail"):
        store.write(record(name))
    assert [one.name for one in store.all()] == ["mail", "shop"]
    store.delete("mail")
    store.delete("mail")
    assert store.names() == ["shop"]


@pytest.mark.parametrize("spoiled", ["", "[]", "{}", '{"document": {"name": "shop"}}', "\x00"])
def test_a_spoiled_record_is_left_out_and_keeps_its_name(store: AppStore, tmp_path: Path, spoiled: str) -> None:
    store.write(record("mail"))
    (tmp_path / "apps" / "shop.json").write_text(spoiled)
    assert [one.name for one in store.all()] == ["mail"]
    assert store.names() == ["mail", "shop"]


def test_a_record_of_another_phase_keeps_what_it_goes_back_to(store: AppStore) -> None:
    editing = AppRecord("shop", record().document, ("A",), AppPhase.EDITING, {"name": "shop"}, ("B",), True, True)
    store.write(editing)
    found = store.find("shop")
    assert found == editing
    assert found.as_before_edit() == AppRecord("shop", {"name": "shop"}, ("B",))


def test_a_disk_that_can_not_be_written_is_told(store: AppStore, tmp_path: Path) -> None:
    (tmp_path / "apps").write_text("a file where the folder belongs")
    with pytest.raises(RecordNotKept, match="shop"):
        store.write(record())
