"""Every text for people has its Spanish, with the same {names}, and the compiled catalogue is the written one."""

from __future__ import annotations

import gettext
import io
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

from d8.locale import FOLDER, translation
from d8.locale.catalogue import compiled, parse, render
from d8.messages import message

PROJECT = Path(__file__).resolve().parents[2]
SPANISH = FOLDER / "es" / "LC_MESSAGES" / "d8.po"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = SourceFileLoader("translations", str(PROJECT / "scripts" / "translations"))
    spec = spec_from_loader("translations", loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_everything_is_translated(script: ModuleType) -> None:
    texts, unreadable = script.collect()
    assert unreadable == [], "give message() and errors a literal template"
    assert script.problems(texts, parse(SPANISH.read_text())) == []


def test_the_compiled_catalogue_is_up_to_date() -> None:
    assert SPANISH.with_suffix(".mo").read_bytes() == compiled(parse(SPANISH.read_text())), "run scripts/translations"


def test_the_check_of_the_script_agrees() -> None:
    done = subprocess.run(
        [sys.executable, PROJECT / "scripts" / "translations", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_a_catalogue_survives_writing_and_reading() -> None:
    entries = {'a "quoted"\nline': "una «línea»\ncon \\ barra", "tab\there": "tab\taquí", "empty": ""}
    assert parse(render(entries, "a test")) == entries


def test_gettext_reads_what_we_compile() -> None:
    catalogue = gettext.GNUTranslations(io.BytesIO(compiled({"yes": "sí", "no": "no", "later": ""})))
    assert catalogue.gettext("yes") == "sí"
    assert catalogue.gettext("later") == "later"


def test_a_message_is_translated_with_the_messages_in_it() -> None:
    spanish = translation("es")
    inner = message("the bootstrap answers, not the agent")
    assert message("{slave} was not built: {reason}", slave="pi", reason=inner).text(spanish) == (
        "pi no se construyó: responde el bootstrap, no el agente"
    )


def test_an_unknown_language_is_english() -> None:
    assert translation("xx")("Exit") == "Exit"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('message("one {x}", x=1)', ["one {x}"]),
        ('D8Error("what", "next", x=1)', ["what", "next"]),
        ('message("a" if y else "b")', ["a", "b"]),
        ('text = "kept"\nmessage(text)', ["kept"]),
        ('message(f"no {x}")', [None]),
        ('command(help="for click")', ["for click"]),
        (
            "class Own(D8Error):\n    def __init__(self, result):\n        super().__init__('own', 'hint')",
            ["own", "hint"],
        ),
    ],
)
def test_the_script_finds_texts(script: ModuleType, source: str, found: list[str | None]) -> None:
    import ast

    tree = ast.parse(source)
    assert [text for _, text in script.texts_of(tree, script.error_signatures([tree]))] == found
