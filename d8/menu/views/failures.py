"""How failures look: the message, what to do, and what else an error knows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from d8.app_errors import AppNotUp, UnusableApp
from d8.app_models import FieldProblem
from d8.errors import D8Error
from d8.menu.views.printable import printable
from d8.menu.views.screen import Screen
from d8.messages import Message, message


def draw_failure(screen: Screen, error: D8Error) -> None:
    """Given what went wrong, show all that is known of it."""
    screen.error(error.message, error.hint)
    if isinstance(error, UnusableApp):
        draw_problems(screen, error.problems)
    elif isinstance(error, AppNotUp):
        draw_not_up(screen, error)


def draw_problems(screen: Screen, problems: Sequence[FieldProblem]) -> None:
    """Given what a slave finds wrong with the description of an app, show it field by field."""
    for problem in problems:
        draw_problem(screen, problem)


def draw_problem(screen: Screen, problem: FieldProblem) -> None:
    """Given one thing that is wrong, show its field and what would be right."""
    field = (printable(problem.field or "-"), "name")
    screen.draw(Text.assemble((f"{screen.marks.bad} ", "bad"), field, ": ", printable(problem.message)))
    if problem.hint:
        screen.draw(Text(printable(problem.hint)), indent=2)


def draw_not_up(screen: Screen, error: AppNotUp) -> None:
    """Given an app that did not stay up, show how it ended and its last lines."""
    rows: list[tuple[Message, Text | str]] = [
        (label, str(error.document[field]))
        for field, label in (
            ("exit_code", message("Exit code")),
            ("signal", message("Signal")),
            ("result", message("Result")),
        )
        if error.document.get(field) not in (None, "")
    ]
    if rows:
        screen.facts(rows)
    draw_log_tail(screen, error.log)
    if error.document.get("restored"):
        screen.note(message("The former version runs again."))


def draw_log_tail(screen: Screen, lines: Sequence[str]) -> None:
    """Given the last lines of an app's journal, show them as its own words."""
    if not lines:
        return
    screen.gap()
    screen.say(message("Its last lines:"))
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(Text(screen.marks.bar, style="note"), Text(printable(line), style="note"))
    screen.draw(grid, indent=2)
