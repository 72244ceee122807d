"""The loop: options are served until the operator leaves, and no failure ends it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from d8.actions import build as build_action
from d8.actions.workplace import Workplace
from d8.cli.failures import write_crash_log
from d8.errors import ExitCode, Terminated
from d8.locale import translation
from d8.menu.app import run_menu
from d8.menu.conversation import Conversation
from d8.menu.memory import last_host, remember_host
from d8.menu.options import OPTIONS
from d8.menu.views.screen import Screen, make_console
from tests.support.fakes import InMemoryBuilder, ScriptedOperator, make_settings, make_slave, register


class Session:
    """A menu, its operator, and what stands on the screen."""

    def __init__(self, folder: Path, language: str = "en") -> None:
        self.settings = make_settings(folder)
        self.workplace = Workplace(self.settings)
        self.console = make_console(environ={"NO_COLOR": "1"})
        self.console.file = io.StringIO()
        self.screen = Screen(translation(language), self.console)

    def play(self, *answers: object) -> str:
        """Given the operator's answers, run the menu to its end and return the screen's text."""
        self.operator = ScriptedOperator(list(answers))
        conversation = Conversation(self.workplace, self.screen, self.operator)
        assert run_menu(conversation, lambda error: write_crash_log(error, self.settings)) == ExitCode.DONE
        assert self.operator.answers == []
        assert isinstance(self.console.file, io.StringIO)
        return self.console.file.getvalue()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    made = Session(tmp_path)
    yield made
    made.workplace.close()


def test_the_options_have_the_numbers_of_the_mission() -> None:
    assert [option.number for option in OPTIONS] == [*range(1, 14), 15, 16, 0]


@pytest.mark.parametrize("leaving", [0, KeyboardInterrupt(), EOFError()])
def test_leaving(session: Session, leaving: object) -> None:
    assert "Bye." in session.play(leaving)


def test_plain_http_is_warned_about_before_anything_is_chosen(session: Session) -> None:
    assert "D8_TLS=off" not in session.play(0)
    plain = replace(session.settings, tls=False)
    session.workplace.close()
    session.workplace = Workplace(plain)
    assert "D8_TLS=off: the token travels unencrypted" in session.play(0)


@pytest.mark.parametrize("option", [1, 7, 8, 9, 10, 16])
def test_each_option_answers_on_an_empty_fleet_and_comes_back(session: Session, option: int) -> None:
    assert session.play(option, 0)


def test_10_then_11_then_1(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_action, "BuildD8Slave", InMemoryBuilder)
    monkeypatch.setattr("d8.menu.screens.build.show_trust", lambda *_: _Lines())
    shown = session.play(10, 11, "192.0.2.7", True, 1, 0, 0)
    assert "Install script written" in shown
    assert "slave-192-0-2-7 is ready" in shown and "curl --cacert" in shown
    assert "unreachable" in shown  # nobody is at that address, and status asks for real
    assert last_host(session.settings.data_dir) == "192.0.2.7"


class _Lines:
    class _Line:
        command = "curl --cacert ca.pem"

    lines = (_Line(),)


def test_a_declined_build_does_nothing(session: Session) -> None:
    assert "Nothing was done." in session.play(11, "192.0.2.7", False, 0)


def test_the_last_address_is_offered_again(session: Session) -> None:
    remember_host(session.settings.data_dir, "pi.local")
    session.play(11, "", False, 0)
    assert any("pi.local" in question for question in session.operator.asked)


def test_a_failed_option_says_what_and_returns(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        build_action, "BuildD8Slave", type("B", (InMemoryBuilder,), {"fails": frozenset({"192.0.2.8"})})
    )
    shown = session.play(11, "192.0.2.8", True, 0)
    assert "it is switched off" in shown and "Switch it on." in shown and "Bye." in shown


def test_an_unexpected_failure_is_logged_and_returns(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_data_dir: Path) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("d8.menu.screens.builds.list_builds", broken)
    shown = session.play(7, 0)
    assert "RuntimeError: a bug" in shown and "Traceback" not in shown and "crash_" in shown


def test_ctrl_c_inside_an_option_returns(session: Session) -> None:
    assert "cancelled" in session.play(11, KeyboardInterrupt(), 0)


def test_a_closed_terminal_inside_an_option_ends_the_menu(session: Session) -> None:
    with pytest.raises(Terminated):
        session.play(11, Terminated(), 0)


def test_the_removal_of_a_slave_out_of_reach_is_pending_and_shown(session: Session) -> None:
    register(session.workplace.registry, make_slave("127.0.0.1", 9))
    shown = session.play(16, 1, True, 1, 13, 0)
    assert "left the fleet, but was not reached" in shown
    assert shown.count("is owed its removal") == 2
    assert session.workplace.registry.slaves() == []


def test_the_menu_speaks_spanish(tmp_path: Path) -> None:
    session = Session(tmp_path, "es")
    shown = session.play(10, 0)
    session.workplace.close()
    assert "Generar Scripts" in shown and "Hasta luego." in shown and "Válido hasta" in shown
