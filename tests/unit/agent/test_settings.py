from __future__ import annotations

import json
from pathlib import Path

import pytest

from slave_agent.errors import SettingsError
from slave_agent.settings import load_settings, problems_in
from slave_agent.states import Scope
from tests.support.agent_process import write_settings


def test_good_settings_are_read(tmp_path: Path) -> None:
    settings = load_settings(write_settings(tmp_path, port=7600, scope="system", allowed_hosts=["slave.lan"]))
    assert settings.port == 7600
    assert settings.scope is Scope.SYSTEM
    assert settings.allowed_hosts == ("slave.lan",)
    assert settings.state_dir == tmp_path / "state"


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    path = write_settings(tmp_path, port=0, tls="yes", commit="main", scope="root", surprise=1)
    path.chmod(0o666)
    with pytest.raises(SettingsError) as failure:
        load_settings(path)
    for word in ("port", "tls", "commit", "scope", "surprise", "chmod go-w"):
        assert word in failure.value.message


@pytest.mark.parametrize("name", ["slave_id", "bind", "port", "tls", "state_dir", "scope", "release_dir", "commit"])
def test_a_missing_setting_is_named(tmp_path: Path, name: str) -> None:
    document = json.loads(write_settings(tmp_path).read_text())
    del document[name]
    assert problems_in(document) == [f"{name} is missing"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", True),
        ("port", 65536),
        ("port", "7600"),
        ("state_dir", "relative"),
        ("state_dir", "/nul\0"),
        ("commit", "0" * 40 + "\n"),
        ("slave_id", "a\nb"),
        ("allowed_hosts", "slave.lan"),
        ("allowed_hosts", ["evil\nhost"]),
        ("helper_socket", "helper.sock"),
        ("language", "fr"),
        ("scope", None),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, name: str, value: object) -> None:
    document = json.loads(write_settings(tmp_path).read_text()) | {name: value}
    (problem,) = problems_in(document)
    assert problem.startswith(f"{name} must be")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "\xff"])
def test_what_is_not_an_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "agent.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SettingsError):
        load_settings(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent\.json"):
        load_settings(tmp_path / "absent.json")
