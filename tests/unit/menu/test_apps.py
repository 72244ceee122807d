"""Options 2 to 5 and what they draw: safe text, readable without colour, within 80 columns."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from d8.actions.apps import AppEdit, AppResult, AppShown, SlaveApps
from d8.actions.logs import LinkBack, LinkLost
from d8.actions.workplace import Workplace
from d8.app_errors import AppNotUp, UnusableApp
from d8.app_models import (
    AppChange,
    AppDetail,
    AppEdited,
    AppState,
    AppVerb,
    FieldProblem,
    LogEnd,
    LogEntry,
    LogSkipped,
    LogSuppressed,
)
from d8.errors import D8Error
from d8.fleet.app_answers import app_status
from d8.menu.conversation import BackToMenu, Conversation
from d8.menu.options import OPTIONS
from d8.menu.views.apps import STATE_WORDS, draw_app, draw_apps, draw_edit, draw_result, since, size
from d8.menu.views.apps_watch import AppsWatch
from d8.menu.views.failures import draw_failure
from d8.menu.views.logs import LogView
from d8.menu.views.screen import THEME, Screen
from d8.messages import NOTHING, message
from tests.support.apps_agent import Running, Stream, app_document, entry, problem, running_apps_agent
from tests.support.fakes import ScriptedOperator, make_settings, make_slave

NASTY = "\x1b[2J\x1b]0;owned\x07\r"
WIDTH = 80
SIGN_OF_LIFE = re.compile(r"\x1b\[\?25l.*?\x1b\[\?25h(\r\x1b\[1A\x1b\[2K)?", re.DOTALL)


def make_screen(is_terminal: bool = True) -> Screen:
    console = Console(
        file=io.StringIO(),
        force_terminal=is_terminal,
        width=WIDTH,
        height=24,
        theme=THEME,
        no_color=True,
        highlight=False,
    )
    return Screen(console=console)


def shown_on(screen: Screen) -> str:
    assert isinstance(screen.console.file, io.StringIO)
    text = SIGN_OF_LIFE.sub("", screen.console.file.getvalue())
    for style in ("\x1b[1m", "\x1b[2m", "\x1b[0m", "\x1b[1;2m"):
        text = text.replace(style, "")
    assert "\x1b" not in text and "\x07" not in text and "\r" not in text
    assert all(len(line) <= WIDTH for line in text.splitlines()), text
    return text


def apps_of(**states: str) -> SlaveApps:
    found = [app_document(name, status=status) for name, status in states.items()]
    return SlaveApps(make_slave(), tuple(map(app_status, found)))


class TestViews:
    def test_the_table_fits_and_tells_states_without_colour(self) -> None:
        screen = make_screen()
        name = "a-very-long-name-of-an-app-that-is-still-all"
        long = app_document(name, restarts=120, memory_bytes=5 * 1024**3, status="zombie", problem=f"gone{NASTY}")
        found = SlaveApps(make_slave(), (*apps_of(shop="running", api="failed", job="stopped").apps, app_status(long)))
        draw_apps(screen, found)
        text = shown_on(screen)
        assert "✓ running" in text and "✗ failed" in text and "  stopped" in text and "✗ unmanaged process" in text
        assert "4711" in text and "1.5 %" in text and "44 MB" in text and "5.0 GB" in text and "120" in text
        assert "\\x1b[2J" in text

    def test_every_state_has_a_word(self) -> None:
        assert set(STATE_WORDS) == set(AppState)

    def test_no_apps_says_how_the_first_one_comes(self) -> None:
        screen = make_screen()
        draw_apps(screen, apps_of())
        assert "option 4" in shown_on(screen)

    def test_an_app_shows_everything_but_the_values_of_its_environment(self) -> None:
        screen = make_screen()
        config = {"script": f"main:app{NASTY}", "working_dir": "/home/pi/" + "x" * 300}
        detail = AppDetail(app_status(app_document("shop")), config, ("SECRET_KEY",), (f"line{NASTY}",))
        draw_app(screen, AppShown(make_slave(), detail))
        text = shown_on(screen)
        assert "SECRET_KEY (values hidden)" in text and "line\\x1b" in text and "Its last lines" in text

    def test_an_app_shows_how_it_is_configured(self) -> None:
        screen = make_screen()
        config = {
            "script": "main:app", "arguments": ["--name", f"a{NASTY}"], "interpreter": "/usr/bin/python3", "host": None,
            "memory_bytes": 256 * 1024**2, "cpu_percent": 50, "tasks": 20, "restart": "always", "hardening": "strict",
            "after": ["postgresql.service"], "wants": [], "description": "a shop", "stabilisation_seconds": 3.0,
        }  # fmt: skip
        draw_app(screen, AppShown(make_slave(), AppDetail(app_status(app_document("shop")), config, ())))
        text = shown_on(screen)
        for part in (
            "--name a\\x1b",
            "/usr/bin/python3",
            "256 MB",
            "50",
            "20",
            "always",
            "strict",
            "postgresql",
            "a shop",
        ):
            assert part in text
        assert "Listens on" not in text and "together" not in text

    @pytest.mark.parametrize(
        ("verb", "is_enabled", "told"),
        [(AppVerb.ENABLE, True, "starts with the slave"), (AppVerb.DISABLE, False, "does not start with the slave")],
    )
    def test_what_is_changed_about_booting_is_told(self, verb: AppVerb, is_enabled: bool, told: str) -> None:
        screen = make_screen()
        draw_result(screen, AppResult(make_slave(), app_status(app_document("shop", enabled=is_enabled))), verb)
        assert told in shown_on(screen)

    def test_a_crash_tells_how(self) -> None:
        screen = make_screen()
        for fields in ({"exit_code": 3}, {"signal": "SIGKILL"}):
            app = app_status(app_document("shop", status="failed", pid=None, **fields))
            draw_result(screen, AppResult(make_slave(), app), AppVerb.START)
        assert "exit code 3" in shown_on(screen) and "signal SIGKILL" in shown_on(screen)

    @pytest.mark.parametrize(
        ("is_dry_run", "needs_restart", "word"),
        [(True, True, "Nothing was changed"), (False, True, "still runs as before"), (False, False, "shop: done")],
    )
    def test_an_edit_shows_each_field_and_what_is_left_to_do(
        self, is_dry_run: bool, needs_restart: bool, word: str
    ) -> None:
        screen = make_screen()
        changes = (AppChange("port", None, 9000), AppChange("arguments", ["a"], ["a", "b"]))
        edited = AppEdited(app_status(app_document("shop")), changes, not needs_restart, needs_restart)
        draw_edit(screen, AppEdit(make_slave(), edited, is_dry_run))
        text = shown_on(screen)
        assert "9000" in text and "a b" in text and word in text

    def test_a_failure_tells_all_that_it_knows(self) -> None:
        screen = make_screen()
        document: dict[str, Any] = {"exit_code": 3, "signal": None, "result": "exit-code", "restored": True}
        draw_failure(screen, AppNotUp("it ended", "", document, (f"boom{NASTY}",)))
        draw_failure(screen, UnusableApp("no", "Correct it.", (FieldProblem("user", f"unknown{NASTY}", "Make it."),)))
        draw_failure(screen, D8Error("else", "Do."))
        text = shown_on(screen)
        for part in (
            "Exit code  3",
            "boom\\x1b",
            "former version",
            "✗ user: unknown\\x1b",
            "Make it.",
            "Correct it.",
            "Do.",
        ):
            assert part in text
        assert "Signal" not in text

    def test_the_table_is_kept_up_to_date_in_place_and_in_a_pipe(self) -> None:
        for is_terminal in (True, False):
            screen = make_screen(is_terminal)
            with AppsWatch(screen) as watch:
                watch(apps_of(shop="running"), NOTHING)
                watch(apps_of(shop="failed"), message("the slave is away"))
            assert isinstance(screen.console.file, io.StringIO)
            text = screen.console.file.getvalue()
            assert "every 2 s" in text and "the slave is away" in text and "failed" in text

    def test_moments_and_sizes(self) -> None:
        now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        assert since("2026-11-22T10:00:00Z", now) == "10:00:00"
        assert since("2026-11-20T10:00:00.123456+00:00", now) == "11-20 10:00"
        assert since("2024-11-20T10:00:00Z", now) == "2024-11-20"
        assert [since(text, now) for text in (None, "", "yesterday")] == ["-", "-", "-"]
        assert [size(count) for count in (None, 0, 1024**2, 44 * 1024**2, 2 * 1024**3)] == [
            "-",
            "0.0 MB",
            "1.0 MB",
            "44 MB",
            "2.0 GB",
        ]


def log_entry(text: str, priority: int = 6, time: str = "2026-11-22T10:00:00.000000Z") -> LogEntry:
    return LogEntry("c", time, priority, text, 7)


class TestLogs:
    def test_lines_in_a_terminal_stand_under_each_other(self) -> None:
        screen = make_screen()
        view = LogView(screen, screen, "shop")
        view([log_entry("hello"), log_entry(f"bad{NASTY}", 3), log_entry("w" * 200, 4), log_entry("two\nlines", 7)])
        lines = shown_on(screen).splitlines()
        assert "2026-11-22" in lines[0]
        assert lines[1].endswith("info   hello") and "ERROR  bad\\x1b" in lines[2]
        column = lines[1].index("hello")
        assert lines[3].index("WARN") == lines[1].index("info")
        assert [line[:column].strip() for line in lines[4:6]] == ["", ""], "wrapped lines stand under the text"
        assert lines[-1] == " " * column + "lines" and view.count == 4

    def test_a_day_is_said_when_it_begins(self) -> None:
        screen = make_screen()
        view = LogView(screen, screen, "shop")
        view([log_entry("a"), log_entry("b", time="2026-11-24T10:00:00Z"), log_entry("c", time=f"not{NASTY}")])
        text = shown_on(screen)
        assert "2026-11-24" in text and text.count("2026-11-22") == 1

    def test_what_is_missing_is_told_between_the_lines(self) -> None:
        screen = make_screen()
        view = LogView(screen, screen, "shop")
        view(
            [
                log_entry("before"),
                LogSkipped(12),
                LogSuppressed(f"Suppressed 9 messages{NASTY}", None),
                LinkLost(message("it is away"), 2.0),
                LinkBack(),
                LogEnd("the app was removed"),
                log_entry("after"),
            ]
        )
        view.close()
        text = shown_on(screen)
        places = [
            text.index(part)
            for part in ("before", "12 lines skipped", "Suppressed 9", "attempt in 2 s", "connected again", "removed")
        ]
        assert places == sorted(places) and text.index("info   after") > places[-1] and "ended after 2 lines" in text

    def test_in_a_pipe_each_entry_is_one_line_and_notices_are_elsewhere(self) -> None:
        screen, notices = make_screen(is_terminal=False), make_screen(is_terminal=False)
        view = LogView(screen, notices, "shop")
        view([log_entry("w" * 200, 3), LogSkipped(12), log_entry(f"a\tb{NASTY}", time=f"2026{NASTY}")])
        assert isinstance(screen.console.file, io.StringIO)
        first, second = screen.console.file.getvalue().splitlines()
        assert first == f"2026-11-22T10:00:00.000000Z ERROR shop[7]: {'w' * 200}"
        assert "a\tb\\x1b[2J" in second and not set("\x1b\x07\r") & set(second)
        assert "12 lines skipped" in shown_on(notices)


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    place = Workplace(make_settings(tmp_path, D8_CONNECT_TIMEOUT="10"))
    yield place
    place.close()


@pytest.fixture
def running(tmp_path: Path, workplace: Workplace) -> Iterator[Running]:
    with running_apps_agent(tmp_path, workplace.registry) as agent:
        agent.agent.apps["shop"] = app_document("shop")
        yield agent


def choose_option(number: int, workplace: Workplace, *answers: object) -> tuple[str, ScriptedOperator]:
    """Run an option with an operator who answers from a list; the last answer may be the way back."""
    operator, screen = ScriptedOperator(list(answers)), make_screen()
    [option] = [option for option in OPTIONS if option.number == number]
    try:
        option.run(Conversation(workplace, screen, operator))
    except BackToMenu:
        pass
    assert not operator.answers, f"never asked for: {operator.answers}"
    return shown_on(screen), operator


class TestOptions:
    @pytest.mark.parametrize("number", [2, 3, 4, 5])
    def test_without_slaves_each_says_how_the_first_one_comes(self, workplace: Workplace, number: int) -> None:
        text, _ = choose_option(number, workplace)
        assert "No slaves yet" in text

    @pytest.mark.parametrize("number", [3, 5])
    def test_without_apps_each_says_how_the_first_one_comes(
        self, workplace: Workplace, running: Running, number: int
    ) -> None:
        running.agent.apps.clear()
        text, _ = choose_option(number, workplace)
        assert "option 4" in text

    def test_2_shows_the_table_and_looks_again(self, workplace: Workplace, running: Running) -> None:
        text, _ = choose_option(2, workplace, 1, 0)
        assert text.count("shop") == 2 and len(running.agent.asked("/api/apps")) == 2

    def test_2_asks_which_slave_where_there_are_several(self, workplace: Workplace, running: Running) -> None:
        workplace.registry.save_slave(make_slave("192.0.2.9"))
        text, operator = choose_option(2, workplace, 1, 0)
        assert "shop" in text and operator.asked[0] == "Which slave?"

    def test_3_does_one_thing_after_the_other_and_survives_a_failure(
        self, workplace: Workplace, running: Running
    ) -> None:
        up = {"type": "urn:d8:app-did-not-stay-up", "exit_code": 3, "log": ["boom"]}
        running.agent.answers["POST", "/api/apps/shop/start"] = [problem(422, "it ended", **up)]
        text, _ = choose_option(3, workplace, 1, 2, 1, 6, 7, False, 7, True)
        assert "shop: done" in text and "boom" in text and "SECRET_KEY" in text
        assert "Nothing was done." in text and "shop is removed" in text and running.agent.apps == {}

    def test_4_registers_what_was_answered(self, workplace: Workplace, running: Running) -> None:
        answers = ["api", "main:app", "", "", "/home/pi/api", "8001", "KEY", "s3cret-value", ""]
        text, operator = choose_option(4, workplace, *answers, False, True)
        [asked] = running.agent.asked("/api/apps/register")
        assert asked.body == {
            "name": "api",
            "script": "main:app",
            "kind": "fastapi",
            "user": "pi",
            "working_dir": "/home/pi/api",
            "port": 8001,
            "environment": {"KEY": "s3cret-value"},
        }
        assert "s3cret-value" not in text and "KEY (values hidden)" in text and "stayed up" in text
        assert "Value of KEY (not shown):" in operator.asked

    def test_4_says_first_what_is_missing_and_who_is_allowed(self, workplace: Workplace, running: Running) -> None:
        running.agent.permissions = [
            {"name": "root-helper", "granted": True, "detail": "it answers", "command": None},
            {"name": "app-users", "granted": True, "detail": "apps may run as: pi", "command": None},
            {"name": "journal", "granted": False, "detail": "logs can't be read", "command": "sudo usermod x"},
        ]
        text, _ = choose_option(4, workplace, "api", "main:app", "", "pi", "/srv", "", "", False, False)
        assert "apps may run as: pi" in text and "it answers" not in text
        assert "journal: logs can't be read" in text and "sudo usermod x" in text

    def test_4_takes_limits_too(self, workplace: Workplace, running: Running) -> None:
        answers = ["job", "/srv/job/run.py", "", "pi", "", "", "", True, "64M", "50%", "always", "--name 'two words'"]
        choose_option(4, workplace, *answers, True)
        [asked] = running.agent.asked("/api/apps/register")
        assert asked.body == {
            "name": "job",
            "script": "/srv/job/run.py",
            "kind": "python",
            "user": "pi",
            "working_dir": "/srv/job",
            "memory_bytes": 64 * 1024**2,
            "cpu_percent": 50,
            "restart": "always",
            "arguments": ["--name", "two words"],
        }

    def test_4_asks_again_for_what_the_slave_can_not_use_next_to_its_words(
        self, workplace: Workplace, running: Running
    ) -> None:
        problems = [
            {"field": "user", "message": "there is no user pi", "hint": "Name one."},
            {"field": "port", "message": "is taken", "hint": ""},
        ]
        running.agent.answers["POST", "/api/apps/register"] = [problem(422, "no", problems=problems)]
        answers = ["api", "main:app", "", "pi", "/home/pi/api", "8001", "", False, True, "bob", "8002"]
        text, operator = choose_option(4, workplace, *answers)
        last = running.agent.asked("/api/apps/register")[-1].body
        assert (last["user"], last["port"], last["name"]) == ("bob", 8002, "api")
        assert "user: there is no user pi" in text and "port: is taken" in text
        assert operator.asked[-2:] == [
            "User of the slave that it runs as:",
            "Port that it listens on (empty: none is checked):",
        ]

    def test_4_offers_every_field_after_an_app_that_did_not_stay_up(
        self, workplace: Workplace, running: Running
    ) -> None:
        up = {"type": "urn:d8:app-did-not-stay-up", "exit_code": 3, "log": ["No module named uvicorn"]}
        running.agent.answers["POST", "/api/apps/register"] = [problem(422, "it ended", **up)]
        answers = ["api", "main:app", "", "pi", "/home/pi/api", "8001", "", False, True, 3, "shop:app", 1]
        text, _ = choose_option(4, workplace, *answers)
        assert "No module named uvicorn" in text
        assert running.agent.asked("/api/apps/register")[-1].body["script"] == "shop:app"

    def test_4_does_nothing_when_told_so(self, workplace: Workplace, running: Running) -> None:
        text, _ = choose_option(4, workplace, "api", "main:app", "", "pi", "/srv", "", "", False, False)
        assert "Nothing was done." in text and running.agent.asked("/api/apps/register") == []

    def test_5_follows_until_it_ends_and_asks_for_a_filter(self, workplace: Workplace, running: Running) -> None:
        running.agent.streams = [
            Stream([[entry(1), entry(2, "trouble", 3)], [{"type": "end", "reason": "gone"}]], "close")
        ]
        original = running.agent.apps.copy()
        with pytest.raises(D8Error, match="not registered any more"):
            running.agent.apps = _Vanishing(original)
            choose_option(5, workplace, 1, 4, "warning", "text", "10m")
        [asked, *_] = running.agent.asked("/logs/shop")
        assert asked.query["priority"] == "4" and asked.query["grep"] == "text" and asked.query["since"].endswith("Z")


class _Vanishing(dict[str, dict[str, Any]]):
    """Apps that are there when a stream is opened, and gone when it is opened again."""

    def __contains__(self, name: object) -> bool:
        return bool(self.pop(str(name), None))
