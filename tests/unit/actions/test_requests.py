"""Option 8 as action, command and screen, and the sending on the way of other commands."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from d8.actions.requests import close_request, excerpt, send_in_background, send_on_the_way, show_request
from d8.actions.workplace import Workplace
from d8.cli import main
from d8.congress.congress import congress_of
from d8.errors import ExitCode
from d8.models import RequestStatus
from d8.settings import load_settings
from tests.support.telegram import WRONG_TOKEN, TelegramServer
from tests.unit.congress.support import failed_build
from tests.unit.menu.test_app import Session


@pytest.fixture
def telegram(httpserver: HTTPServer) -> TelegramServer:
    return TelegramServer(httpserver)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own, in English, without Telegram."""
    for name, value in {
        "D8_DATA_DIR": tmp_path / "data",
        "D8_ENV_FILE": tmp_path / "none.env",
        "D8_LANG": "en",
    }.items():
        monkeypatch.setenv(name, str(value))
    return tmp_path / "data"


def use(monkeypatch: pytest.MonkeyPatch, telegram: TelegramServer) -> None:
    """Set the bot up."""
    for name, value in {"BOT_TOKEN": "123:AB", "CHAT_ID": "42", "API_URL": telegram.url}.items():
        monkeypatch.setenv(f"TELEGRAM_{name}", value)


@pytest.fixture
def workplace(data: Path) -> Iterator[Workplace]:
    made = Workplace(load_settings(os.environ))
    yield made
    made.close()


@pytest.fixture
def waiting(workplace: Workplace) -> Workplace:
    """A master with one request that no person was told of."""
    congress_of(workplace.settings, workplace.registry).escalate(failed_build())
    return workplace


def ask(capsys: pytest.CaptureFixture[str], *words: str, expect: ExitCode = ExitCode.DONE) -> dict:
    capsys.readouterr()
    assert main([*words, "--json"]) == expect
    document = json.loads(capsys.readouterr().out)
    assert isinstance(document, dict)
    return document


class TestCommand:
    def test_an_empty_list(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert ask(capsys, "requests") == {"requests": []}

    def test_the_list_and_one_of_it(self, waiting: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
        [request] = ask(capsys, "requests")["requests"]
        assert (request["id"], request["status"], request["priority"]) == (1, "pending", "high")
        detail = ask(capsys, "requests", "1")
        assert detail["request"] == request and detail["log"] is None  # its log was never written

    def test_sending(
        self,
        waiting: Workplace,
        telegram: TelegramServer,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        ask(capsys, "requests", "--send", expect=ExitCode.FAILED)
        use(monkeypatch, telegram)
        assert ask(capsys, "requests", "--send")["requests"][0]["status"] == "sent"
        assert ask(capsys, "requests", "--send") == {"requests": []}
        assert len(telegram.taken) == 1

    def test_closing(self, waiting: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
        closed = ask(capsys, "requests", "--close", "1")["request"]
        assert (closed["status"], closed["closed_by"]) == ("closed", "operator")

    @pytest.mark.parametrize("words", [["7"], ["--close", "7"], ["1", "--send"], ["--send", "--close", "1"], ["one"]])
    def test_wrong_usage(self, waiting: Workplace, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
        assert set(ask(capsys, "requests", *words, expect=ExitCode.WRONG_USAGE)) == {"error", "hint"}

    def test_any_command_with_the_registry_sends_what_is_due(
        self,
        waiting: Workplace,
        telegram: TelegramServer,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        use(monkeypatch, telegram)
        ask(capsys, "builds")
        assert telegram.messages == []
        ask(capsys, "slaves")
        assert len(telegram.taken) == 1

    def test_trouble_with_telegram_is_no_trouble_of_that_command(
        self,
        waiting: Workplace,
        telegram: TelegramServer,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        use(monkeypatch, telegram)
        telegram.answers.append(WRONG_TOKEN)
        assert ask(capsys, "slaves") == {"slaves": []}
        assert "BotFather" in ask(capsys, "requests")["requests"][0]["reason"]

    def test_something_unexpected_on_the_way_is_no_trouble_either(
        self, waiting: Workplace, telegram: TelegramServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("a bug")

        use(monkeypatch, telegram)
        monkeypatch.setattr("d8.congress.congress.Congress.deliver_due", broken)
        assert main(["slaves"]) == ExitCode.DONE


def test_an_excerpt_holds_the_last_failed_commands_and_the_end_of_what_they_printed() -> None:
    commands = [{"command": f"c{n}", "success": n == 2, "stdout": "o" * 9000, "stderr": f"e{n}"} for n in range(6)]
    found = excerpt({"commands": commands, "error": "all failed", "diagnosis": {"cause": "disk"}})
    assert [command["command"] for command in found["failed_commands"]] == ["c3", "c4", "c5"]
    assert all(len(command["stdout"]) == 2000 for command in found["failed_commands"])
    assert found["error"] == "all failed" and found["diagnosis"] == {"cause": "disk"}


def test_sending_in_the_background_uses_its_own_connection(
    waiting: Workplace, telegram: TelegramServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, telegram)
    thread = send_in_background(load_settings(os.environ))
    assert isinstance(thread, threading.Thread) and thread.daemon
    thread.join(10)
    assert show_request(waiting, 1).request.status is RequestStatus.SENT


def test_without_a_bot_the_registry_is_not_even_opened(workplace: Workplace) -> None:
    send_on_the_way(workplace)
    assert not workplace.is_open


class TestMenu:
    @pytest.fixture
    def session(self, tmp_path: Path) -> Iterator[Session]:
        made = Session(tmp_path)
        congress = congress_of(made.settings, made.workplace.registry)
        log = made.settings.data_dir / "build.json"
        commands = [{"command": "pip install", "success": False, "stdout": "", "stderr": "no \x1b[31mspace"}]
        log.write_text(json.dumps({"commands": commands, "error": "x"}))
        congress.escalate(replace(failed_build(), log_file=log))
        yield made
        made.workplace.close()

    def test_it_shows_the_request_with_its_log_and_closes_it(self, session: Session) -> None:
        shown = session.play(8, 1, False, True, 0)
        assert "Fallo en instalación de slave: slave-192-168-4-25" in shown
        assert "pip install" in shown and "no \\x1b[31mspace" in shown and "\x1b" not in shown
        assert "What to do: Free some space" in shown and "Request 1 is closed" in shown
        assert session.workplace.registry.requests.get(1).closed_by == "operator"

    def test_sending_from_the_menu_says_why_it_can_not(self, session: Session) -> None:
        assert "TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID are not set" in session.play(8, 1, True, False, 0)

    def test_a_closed_one_is_shown_and_nothing_is_asked(self, session: Session) -> None:
        close_request(session.workplace, 1)
        assert "by the operator" in session.play(8, 1, 0)

    def test_back(self, session: Session) -> None:
        assert "Bye." in session.play(8, 0, 0)
