"""What all tests share: the lab's fixtures, and an environment without the settings of whoever runs them."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["tests.lab.plugin"]

OF_THE_TESTS_THEMSELVES = "D8_LAB_"


@pytest.fixture(autouse=True)
def no_settings_of_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings in force here are the test's own."""
    for name in os.environ:
        is_setting = name.startswith("D8_") and not name.startswith(OF_THE_TESTS_THEMSELVES)
        if is_setting or name in ("GIT_TOKEN", "SLAVE_AUTH_TOKEN") or name.startswith("TELEGRAM_"):
            monkeypatch.delenv(name)
