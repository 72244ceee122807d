"""The menu as the operator sees it, at 80 by 24, in both languages, with and without colour."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from tests.terminal.terminal import PROJECT, Terminal, everything_on, new_screen

SPANISH_MENU = """
  D8 0.1.0

  >   1  Estado de la flota
      2  Apps de un slave
      3  Controlar una app
      4  Registrar una app
      5  Logs de una app
      6  Devolver un slave a la versión anterior
      7  Logs de build
      8  Solicitudes a personas
      9  Configuración y diagnóstico
     10  Generar Scripts
     11  Build & Registro Automático
     12  Instalar por SSH y construir
     13  Confianza y tokens
     15  Actualizar slaves
     16  Eliminar un slave
      0  Salir

  Opción:    escribe un número o usa las flechas, y Enter"""
ENGLISH_MENU = """
  D8 0.1.0

  >   1  Fleet status
      2  Apps of a slave
      3  Control an app
      4  Register an app
      5  Logs of an app
      6  Roll a slave back
      7  Build logs
      8  Requests to people
      9  Settings and doctor
     10  Generate scripts
     11  Build & automatic registration
     12  Install over SSH & build
     13  Trust and tokens
     15  Update slaves
     16  Remove a slave
      0  Exit

  Option:    type a number or use the arrows, then Enter"""

STEPS_IN_A_HURRY = f"""
import sys, time
sys.path.insert(0, {str(PROJECT)!r})
from d8.build.events import CommandStarted, OutputLine, StepEnded, StepName, StepStarted
from d8.menu.views.progress import BuildProgress
from d8.menu.views.screen import Screen
from d8.messages import message

with BuildProgress(Screen()) as progress:
    for number in range(120):
        progress(StepStarted(StepName.STRATEGY, message("title")))
        progress(CommandStarted("a command " * 20))
        for line in range(number % 8):
            progress(OutputLine("a line of output"))
        time.sleep(0.02)
        progress(StepEnded(StepName.STRATEGY, True, message("outcome-{{number}}", number=number), 0.1))
"""

Open = Callable[..., Terminal]


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*words: str, **options: str) -> Terminal:
        opened.append(Terminal(*words, folder=tmp_path, **options))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


@pytest.mark.parametrize(
    ("language", "menu", "last_word", "farewell"),
    [("es", SPANISH_MENU, "y Enter", "Hasta luego."), ("en", ENGLISH_MENU, "then Enter", "Bye.")],
)
def test_the_menu_in_both_languages_and_out_by_0(
    open_terminal: Open, language: str, menu: str, last_word: str, farewell: str
) -> None:
    terminal = open_terminal(D8_LANG=language)
    assert terminal.wait_for(last_word) == menu
    terminal.press("0\r")
    assert terminal.wait_for_end() == 0
    assert farewell in terminal.text


def test_a_typed_number_is_shown_and_marks_its_line(open_terminal: Open) -> None:
    terminal = open_terminal(D8_LANG="es")
    terminal.wait_for("y Enter")
    terminal.press("11")
    shown = terminal.wait_for("Opción: 11")
    assert "  >  11  Build & Registro Automático" in shown


def test_10_shows_the_script_and_the_next_steps(open_terminal: Open, tmp_path: Path) -> None:
    terminal = open_terminal(D8_LANG="es")
    terminal.wait_for("y Enter")
    terminal.press("10\r")
    shown = terminal.wait_for("Enter: volver al menú")
    [script] = (tmp_path / "installers").glob("install_slave_*.sh")
    assert "Generar Scripts" in shown and "Válido hasta" in shown and "opción 11" in shown
    assert script.name in "".join(terminal.everything.split())
    terminal.press("\r")
    terminal.wait_for("y Enter")


def test_a_failed_build_says_what_and_returns_to_the_menu(open_terminal: Open) -> None:
    terminal = open_terminal(D8_LANG="es", D8_SLAVE_PORT="9")
    terminal.wait_for("y Enter")
    terminal.press("11\r")
    terminal.wait_for("Dirección del slave")
    terminal.press("not/an/address\r")
    terminal.wait_for("no es una dirección")
    terminal.press("\x01\x0b127.0.0.1\r")
    terminal.wait_for("¿Construir")
    terminal.press("s\r")
    shown = terminal.wait_for("Enter: volver al menú")
    assert "127.0.0.1 rechaza la conexión en el puerto 9" in shown
    terminal.press("\r")
    terminal.wait_for("y Enter")
    terminal.press("7\r")
    terminal.wait_for("¿Qué build?")
    terminal.press("1\r")
    assert "fallido" in terminal.wait_for("Enter: volver al menú")


@pytest.mark.parametrize("option", ["11", "16"])
def test_ctrl_c_inside_an_option_returns_and_in_the_menu_leaves(open_terminal: Open, option: str) -> None:
    terminal = open_terminal(D8_LANG="en")
    terminal.wait_for("then Enter")
    terminal.press(f"{option}\r")
    if option == "11":
        terminal.wait_for("Address of the slave")
        terminal.press("\x03")
        terminal.wait_for("cancelled")
    terminal.wait_for("Enter: back to the menu")
    terminal.press("\r")
    terminal.wait_for("then Enter")
    terminal.press("\x03")
    assert terminal.wait_for_end() == 0
    assert "Traceback" not in terminal.everything


def test_without_colour_no_colour_is_sent(open_terminal: Open) -> None:
    terminal = open_terminal(D8_LANG="en", NO_COLOR="1")
    terminal.wait_for("then Enter")
    terminal.press("9\r")
    terminal.wait_for("Enter: back to the menu")
    assert b"\x1b[32m" not in terminal.raw and b"\x1b[1;36m" not in terminal.raw


def test_a_dumb_terminal_gets_plain_lines(open_terminal: Open) -> None:
    terminal = open_terminal(D8_LANG="en", TERM="dumb")
    terminal.wait_for("Option:")
    terminal.press("9\r")
    terminal.wait_for("Enter: back to the menu")
    assert b"\x1b" not in terminal.raw
    terminal.press("\r")
    terminal.wait_for("Option:")
    terminal.press("0\r")
    assert terminal.wait_for_end() == 0


def test_no_line_of_a_build_is_lost(tmp_path: Path) -> None:
    """Finished steps scroll by while the changing part below them is redrawn by another thread."""
    script = tmp_path / "steps.py"
    script.write_text(STEPS_IN_A_HURRY)
    screen, stream = new_screen()
    process = pexpect.spawn(sys.executable, [str(script)], dimensions=(24, 80), cwd=str(PROJECT), timeout=60)
    stream.feed(process.read())
    lines = everything_on(screen).splitlines()
    assert [line.split()[-1] for line in lines if "outcome" in line] == [f"outcome-{number}" for number in range(120)]
