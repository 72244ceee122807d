"""What is drawn: safe text, times, a build's progress in a terminal and in a pipe."""

from __future__ import annotations

import io
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from d8.actions.installer import InstallerMade
from d8.actions.status import judge
from d8.build.events import BuildEvent, CommandStarted, Notice, OutputLine, StepEnded, StepName, StepStarted
from d8.fleet.audit_store import AuditEntry
from d8.fleet.names import Address
from d8.menu.views.durations import clock, duration
from d8.menu.views.many import ManyProgress
from d8.menu.views.printable import printable, printable_lines
from d8.menu.views.progress import BuildProgress
from d8.menu.views.results import draw_installer
from d8.menu.views.screen import THEME, Screen, make_console
from d8.menu.views.tables import draw_settings, draw_slave
from d8.menu.views.trust import draw_audit, draw_slave_audit
from d8.menu.views.widths import column_widths
from d8.messages import message
from d8.settings import read_settings
from tests.support.fakes import COMMIT, make_slave


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ñ ✓", "plain ñ ✓"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("over\rwrite", "over\\x0dwrite"),
        ("\x9b31m", "\\x9b31m"),
        ("a\tb", "a   b"),
        ("evil\u202etxt", "evil\\u202etxt"),
        ("nul\x00", "nul\\x00"),
        ("two\nlines", "two\\x0alines"),
    ],
)
def test_control_characters_become_visible(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_stay_lines() -> None:
    assert printable_lines("a\r\nb\x1b\n") == ["a", "b\\x1b", ""]


@pytest.mark.parametrize(
    ("seconds", "as_clock", "as_duration"),
    [(0, "0:00", "0.0 s"), (9.96, "0:09", "10 s"), (65, "1:05", "1 min 5 s"), (3725, "1:02:05", "1 h 2 min"),
     (90000, "25:00:00", "1 d 1 h")],
)  # fmt: skip
def test_times(seconds: float, as_clock: str, as_duration: str) -> None:
    assert (clock(seconds), duration(seconds)) == (as_clock, as_duration)


EVENTS: list[BuildEvent] = [
    StepStarted(StepName.CONNECTIVITY, message("Connectivity")),
    CommandStarted("first line\nsecond line"),
    OutputLine("\x1b[31mred"),
    *[OutputLine(f"line {number}") for number in range(20)],
    Notice(message("a strategy was skipped")),
    Notice(message("warned\nsudo a command that must stay on one line whatever the width of the screen is"), True),
    StepEnded(StepName.CONNECTIVITY, True, message("it answers"), 3.2),
    StepStarted(StepName.PREFLIGHT, message("What the host offers")),
    StepEnded(StepName.PREFLIGHT, False, message("it is full"), 1.0),
]


def drawn(is_terminal: bool) -> str:
    console = Console(
        file=io.StringIO(), force_terminal=is_terminal, width=60, height=24, theme=THEME, no_color=True, highlight=False
    )
    ticks = iter(range(1000))
    with BuildProgress(Screen(console=console), now=lambda: float(next(ticks))) as progress:
        for event in EVENTS:
            progress(event)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_progress_in_a_pipe_is_plain_lines() -> None:
    shown = drawn(is_terminal=False)
    assert "\x1b" not in shown
    assert "[1/8] Connectivity" in shown and "$ first line …" in shown and "line 19" in shown
    assert "\\x1b[31mred" in shown and "✓ it answers (3.2 s)" in shown and "✗ it is full" in shown


def test_progress_in_a_terminal_keeps_the_finished_steps() -> None:
    shown = drawn(is_terminal=True)
    assert "\x1b[31mred" not in shown
    assert "it answers" in shown and "3.2 s" in shown


def test_a_command_in_a_message_stays_on_one_line() -> None:
    line = "sudo a command that must stay on one line whatever the width of the screen is"
    assert any(line in text for text in drawn(is_terminal=False).splitlines())


def test_the_changing_part_fits_a_small_terminal() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24, theme=THEME)
    progress = BuildProgress(Screen(console=console))
    for event in EVENTS[:23]:
        progress(event)
    lines = console.render_lines(progress._picture())
    assert len(lines) <= 8
    text = "\n".join("".join(segment.text for segment in line) for line in lines)
    assert "line 19" in text and "line 13" not in text


@pytest.mark.parametrize(("commit", "survives_reboot"), [("f" * 40, True), ("f" * 40, False), (COMMIT, False)])
def test_a_slave_that_answers_shows_what_is_wrong_with_it(commit: str, survives_reboot: bool) -> None:
    slave = make_slave(survives_reboot=survives_reboot)
    status = judge(slave, {"mode": "agent", "commit": commit}, COMMIT, 0.01)
    shown = io.StringIO()
    draw_slave(Screen(str, Console(file=shown, width=100, theme=THEME)), status, None)
    text = shown.getvalue()
    assert ("runs commit ffffffffff" in text and "(option 15)" in text) is (commit != COMMIT)
    assert ("reboot" in text.lower().partition("survives a reboot")[2]) is not survives_reboot


def test_settings_are_shown_as_they_are_written() -> None:
    shown = io.StringIO()
    values = {"D8_DOCKER_INSTALL": "never", "GIT_TOKEN": "ghp_planted", "D8_STRATEGIES": "venv,native"}
    draw_settings(Screen(str, Console(file=shown, width=100, theme=THEME)), read_settings(values, Path("/none/.env")))
    rows = {words[0]: " ".join(words[1:]) for words in map(str.split, shown.getvalue().splitlines()) if words}
    assert (rows["D8_DOCKER_INSTALL"], rows["D8_STRATEGIES"]) == ("never", "venv,native")
    assert rows["GIT_TOKEN"] == "(set, hidden)" and rows["D8_CONNECT_TIMEOUT"] == "5"


def test_the_line_that_copies_a_script_is_one_for_a_shell() -> None:
    folder = Path("/home/me/my scripts $HOME 'x'")
    shown = io.StringIO()
    made = InstallerMade(folder / "install.sh", None, None, None, datetime.now(UTC), "192.0.2.1", 7600, ())
    draw_installer(Screen(str, Console(file=shown, width=80, theme=THEME)), made)
    [line] = [line for line in shown.getvalue().splitlines() if "scp " in line]
    assert shlex.split(line) == ["scp", str(folder / "install.sh"), "pi@192.168.4.25:"]


def test_no_color_is_respected() -> None:
    assert make_console(environ={"NO_COLOR": ""}).no_color and not make_console(environ={}).no_color


def test_a_terminal_without_unicode_gets_plain_marks() -> None:
    console = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii"), theme=THEME)
    assert Screen(console=console).marks.ok == "+"


@pytest.mark.parametrize(("is_terminal", "is_shown"), [(True, True), (False, False)])
def test_waiting_shows_a_sign_of_life_where_somebody_looks(is_terminal: bool, is_shown: bool) -> None:
    out = io.StringIO()
    screen = Screen(console=Console(file=out, theme=THEME, width=80, force_terminal=is_terminal))
    with screen.waiting(message("{slave} is at work", slave="pi\x1b")):
        pass
    assert ("pi\\x1b is at work" in out.getvalue()) is is_shown
    assert is_shown or not out.getvalue()


@pytest.mark.parametrize(
    ("columns", "flexible", "room", "widths"),
    [
        ([["abc"], ["de f"]], (0, 1), 10, [3, 4]),
        ([["abc"], ["one two three"]], (1,), 10, [3, 7]),
        ([["abc"], ["one two three"], ["four five six"]], (1, 2), 20, [3, 8, 9]),
        ([["abc"], ["x" * 40]], (1,), 30, [3, 27]),
        ([["abc"], ["x" * 40], ["pending soon"]], (1, 2), 30, [3, 20, 7]),
        ([["abc"], ["x" * 40], ["pending"]], (1, 2), 20, [3, 10, 7]),
        ([["naïve\nã"], []], (), 10, [5, 0]),
    ],
)
def test_the_widest_column_gives_way_first_and_words_last(
    columns: list[list[str]], flexible: tuple[int, ...], room: int, widths: list[int]
) -> None:
    assert column_widths(columns, flexible, room) == widths


def test_the_audit_can_be_read_in_80_columns() -> None:
    shown = io.StringIO()
    screen = Screen(str, Console(file=shown, width=80, theme=THEME))
    now = datetime(2026, 3, 1, 12, 54, 1, tzinfo=UTC)
    subject = "slave-192-168-4-25/prometheus"
    draw_audit(screen, [AuditEntry(1, now, "trust-revoke-token", subject, "pending", "administrator")])
    entry = {"time": "2026-03-01T12:54:01Z", "who": "prometheus", "address": "fd00:1234:5678:9abc:def0:1234:5678:9abc"}
    draw_slave_audit(screen, [{**entry, "what": "PUT /api/agent/tokens/prometheus", "status": 201}])
    text = shown.getvalue()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    for whole in ("administrator", "trust-revoke-token", "slave-192-168-4-25", "pending", "fd00:1234:5678:9abc:"):
        assert whole in text
    assert "/api/agent/tokens" in text


def test_lines_outside_of_a_terminal_end_where_their_text_does() -> None:
    out = io.StringIO()
    screen = Screen(console=Console(file=out, theme=THEME, width=80, force_terminal=False))
    screen.facts([(message("Host"), "pi"), (message("A longer name"), "x")])
    screen.table([message("Slave"), message("Host")], [["slave-1", "pi"], ["slave-10", "a longer name"]])
    screen.warn(message("a warning that is so long that it takes two lines of the eighty columns that there are here"))
    with ManyProgress(screen, [Address("192.0.2.1")]) as many:
        many.observer_of(Address("192.0.2.1"))(Notice(message("look"), is_warning=True))
    lines = out.getvalue().splitlines()
    assert len(lines) == 8 and [line for line in lines if line != line.rstrip()] == []
