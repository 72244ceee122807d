"""Every setting is explained in .env.example and docs/reference.md, with the default that is in force."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from d8.settings import PROJECT_DIR, SETTINGS, Setting, read_settings

EXAMPLE = (PROJECT_DIR / ".env.example").read_text()
REFERENCE = PROJECT_DIR / "docs" / "reference.md"
LINES = dict(re.findall(r"^#?([A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE))


def test_the_example_names_every_setting_and_no_other() -> None:
    assert set(LINES) == {setting.variable for setting in SETTINGS}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_the_example_shows_the_default(setting: Setting) -> None:
    default = "" if setting.variable == "D8_INSTALLER_DIR" else setting.default  # depends on where the project is
    assert LINES[setting.variable] == default


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_each_setting_is_explained_above_its_line(setting: Setting) -> None:
    assert re.search(rf"^# \S.*\n(?:#?[A-Z0-9_]+=.*\n)*#?{setting.variable}=", EXAMPLE, re.MULTILINE)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.variable)
def test_the_reference_gives_each_default_and_meaning(setting: Setting) -> None:
    default = "scripts/setup in the project" if setting.variable == "D8_INSTALLER_DIR" else setting.default or "empty"
    row = f"| {setting.variable} | {default} | {setting.meaning} |"
    assert row in REFERENCE.read_text().replace("`", "").splitlines()


def test_the_example_as_it_stands_is_usable() -> None:
    values = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", EXAMPLE, re.MULTILINE))
    assert read_settings(values, Path("/nowhere/.env")).slave_port == 7600
