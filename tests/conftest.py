"""What all tests share: the lab's fixtures, and an environment without the settings of whoever runs them."""

from __future__ import annotations

import os
import signal

import pytest

pytest_plugins = ["tests.lab.plugin"]

OF_THE_TESTS_THEMSELVES = "D8_LAB_"

# A shell's background job ignores the one, nohup the other: programs under test would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def no_settings_of_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings in force here are the test's own."""
    for name in os.environ:
        is_setting = name.startswith("D8_") and not name.startswith(OF_THE_TESTS_THEMSELVES)
        if is_setting or name in ("GIT_TOKEN", "SLAVE_AUTH_TOKEN") or name.startswith("TELEGRAM_"):
            monkeypatch.delenv(name)
