"""Processes of the master: they get its environment, and none of its secrets."""

from __future__ import annotations

import pytest

from d8.processes import SECRETS, run, stream
from d8.settings import SETTINGS


def test_every_secret_setting_is_kept_from_processes() -> None:
    assert set(SECRETS) == {setting.variable for setting in SETTINGS if setting.is_secret}


@pytest.mark.parametrize("environment", [None, {"PATH": "/usr/bin:/bin", "GIT_TOKEN": "ghp_secret", "KEPT": "yes"}])
def test_no_process_inherits_a_secret(environment: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TOKEN", "ghp_secret")
    monkeypatch.setenv("KEPT", "yes")
    lines: list[str] = []
    stream(["env"], lines.append, environment=environment)
    for shown in (run(["env"], environment=environment).text, "\n".join(lines)):
        assert "ghp_secret" not in shown and "KEPT=yes" in shown
