from __future__ import annotations

import re
from pathlib import Path

import pytest

import slave_agent.panel.views as views
from slave_agent.panel.static_files import FILES, FOLDER, static_files
from slave_agent.panel.texts import TEXTS, language_of
from slave_agent.states import PANEL_RIGHTS, AppState, AppVerb, Right

SCRIPTS = sorted(FOLDER.glob("*.js"))
TEMPLATES = sorted((views.HERE / "templates").iterdir())


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "es"),
        ("de,fr;q=0.5", "es"),
        ("en", "en"),
        ("en-GB,en;q=0.9,es;q=0.8", "en"),
        ("en;q=0.5, es-MX;q=0.9", "es"),
        ("de, en;q=0.1", "en"),
        ("en;q=0,es;q=0.1", "es"),
        ("en;q=many", "es"),
        (",;=;q", "es"),
    ],
)
def test_the_browsers_language_is_spoken(header: str, language: str) -> None:
    assert language_of(header, otherwise="es") == language


def test_both_languages_have_every_text_with_the_same_places() -> None:
    assert TEXTS["en"].keys() == TEXTS["es"].keys()
    for key, english in TEXTS["en"].items():
        spanish = TEXTS["es"][key]
        assert english.strip() and spanish.strip(), key
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", spanish)), key


def test_every_state_verb_and_right_has_a_word() -> None:
    assert {state.value for state in AppState} <= TEXTS["en"].keys()
    verbs = (AppVerb.START, AppVerb.STOP, AppVerb.RESTART)
    assert {word for verb in verbs for word in (verb.value, f"{verb.value}_doing")} <= TEXTS["en"].keys()
    assert {f"right_{right.value}" for right in PANEL_RIGHTS - {Right.NONE}} <= TEXTS["en"].keys()


@pytest.mark.parametrize("path", [*SCRIPTS, *TEMPLATES], ids=lambda path: path.name)
def test_every_text_that_is_asked_for_is_there(path: Path) -> None:
    used = set(re.findall(r"\btexts\.(?!js\b)(\w+)", path.read_text(encoding="utf-8")))
    assert used <= TEXTS["en"].keys()


def test_what_lies_there_is_what_is_served() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(FILES)
    assert set(static_files()) == {f"/static/{name}" for name in FILES}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_import_only_what_is_served(path: Path) -> None:
    imported = re.findall(r"from '\./([^']+)'", path.read_text(encoding="utf-8"))
    assert set(imported) <= set(FILES)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_have_no_way_to_make_markup_of_a_text(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", ".style."):
        assert way not in text
