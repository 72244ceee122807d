"""Apps and their logs in a real terminal: kept up to date in place, followed until Ctrl+C, in colour and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from d8.fleet.registry import Registry
from tests.support.apps_agent import Running, Stream, app_document, entry, running_apps_agent
from tests.terminal.terminal import COLUMNS, Terminal

PATIENCE_SECONDS = 60.0
Open = Callable[..., Terminal]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    registry = Registry(tmp_path / "data")
    with running_apps_agent(tmp_path, registry) as agent:
        registry.close()
        agent.agent.apps["shop"] = app_document("shop")
        yield agent


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[Open]:
    opened: list[Terminal] = []

    def start(*words: str, **environ: str) -> Terminal:
        opened.append(Terminal(*words, folder=tmp_path, D8_LANG="en", D8_CONNECT_TIMEOUT="20", **environ))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def test_the_table_is_kept_up_to_date_in_place_until_ctrl_c(running: Running, open_terminal: Open) -> None:
    terminal = open_terminal("apps", "127.0.0.1", "--watch")
    terminal.wait_for("✓ running", PATIENCE_SECONDS)
    running.agent.apps["shop"] = app_document("shop", status="failed", pid=None, exit_code=3)
    terminal.wait_for("✗ failed", PATIENCE_SECONDS)
    assert "running" not in terminal.everything, "the old table is gone"
    terminal.press("\x03")
    assert terminal.wait_for_end() == 0
    assert "Traceback" not in terminal.everything


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_followed_log_goes_on_after_a_lost_line_until_ctrl_c(
    running: Running, open_terminal: Open, environ: dict[str, str]
) -> None:
    nasty = entry(2, "\x1b[2Jevil\x07" + "w" * 200, 3)
    running.agent.streams = [
        Stream([[entry(1), nasty], [{"type": "skipped", "count": 12}]], "close"),
        Stream([[entry(3, "after the gap", 4)]]),
    ]
    terminal = open_terminal("logs", "127.0.0.1", "shop", "-f", **environ)
    terminal.wait_for("after the gap", PATIENCE_SECONDS)
    shown = terminal.everything
    for part in (
        "info   line 1",
        "ERROR  \\x1b[2Jevil\\x07",
        "12 lines skipped",
        "next attempt in",
        "connected again",
    ):
        assert part in shown, shown
    assert shown.index("ERROR") < shown.index("12 lines skipped") < shown.index("WARN   after the gap")
    assert all(len(line) <= COLUMNS for line in shown.splitlines())
    assert (b"\x1b[1;31m" in terminal.raw) is (not environ)
    terminal.press("\x03")
    assert terminal.wait_for_end() == 0
    assert "ended after 3 lines" in terminal.text


def test_option_5_comes_back_to_the_menu_after_ctrl_c(running: Running, open_terminal: Open) -> None:
    running.agent.streams = [Stream([[entry(1)]])]
    terminal = open_terminal()
    terminal.wait_for("then Enter", PATIENCE_SECONDS)
    terminal.press("5\r")
    terminal.wait_for("1  shop", PATIENCE_SECONDS)
    terminal.press("1\r")
    terminal.wait_for("Which lines?", PATIENCE_SECONDS)
    terminal.press("1\r")
    terminal.wait_for("line 1", PATIENCE_SECONDS)
    terminal.press("\x03")
    terminal.wait_for("Enter: back to the menu", PATIENCE_SECONDS)
    terminal.press("\r")
    terminal.wait_for("then Enter", PATIENCE_SECONDS)
    terminal.press("0\r")
    assert terminal.wait_for_end() == 0


def test_option_2_live_comes_back_after_ctrl_c(running: Running, open_terminal: Open) -> None:
    terminal = open_terminal()
    terminal.wait_for("then Enter", PATIENCE_SECONDS)
    terminal.press("2\r")
    terminal.wait_for("And now?", PATIENCE_SECONDS)
    terminal.press("2\r")
    terminal.wait_for("Ctrl+C ends", PATIENCE_SECONDS)
    terminal.press("\x03")
    terminal.wait_for("And now?", PATIENCE_SECONDS)
    terminal.press("0\r")
    terminal.wait_for("then Enter", PATIENCE_SECONDS)
    terminal.press("0\r")
    assert terminal.wait_for_end() == 0
