"""A numbered list: type the number or move with the arrows. Drawn in place, gone when a choice was made."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from d8.messages import Translate, message

if TYPE_CHECKING:
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    from d8.menu.prompts import Choice

LONGEST_NUMBER = 4
OTHER_LINES = 4  # of the picture: the title, the question, and a gap beside each
STYLE = {
    "title": "bold ansicyan",
    "number": "ansicyan",
    "here": "bold",
    "note": "ansibrightblack",
    "problem": "ansiyellow",
}


@dataclass(frozen=True)
class Selection:
    """What has been typed and which line is marked. Every key gives a new one. Pure."""

    numbers: tuple[int, ...]
    index: int = 0
    typed: str = ""
    is_refused: bool = False

    def with_digit(self, digit: str) -> Selection:
        """After a digit: the mark goes to the line with that number, if there is one."""
        typed = (self.typed + digit)[:LONGEST_NUMBER]
        index = self.numbers.index(int(typed)) if int(typed) in self.numbers else self.index
        return replace(self, typed=typed, index=index, is_refused=False)

    def without_last(self) -> Selection:
        """After backspace."""
        typed = self.typed[:-1]
        return replace(self, typed="").with_digit(typed) if typed else replace(self, typed="", is_refused=False)

    def moved(self, lines: int) -> Selection:
        """After an arrow key: what was typed no longer counts."""
        return replace(self, index=(self.index + lines) % len(self.numbers), typed="", is_refused=False)

    @property
    def chosen(self) -> int | None:
        """The number that Enter chooses; None when what was typed is no option."""
        if not self.typed:
            return self.numbers[self.index]
        return int(self.typed) if int(self.typed) in self.numbers else None


def part_around(index: int, count: int, room: int) -> range:
    """Given the marked line, how many lines there are and how many have room, return those to show. Pure.

    Where not all have room, two lines of it are kept free to say so.
    """
    if count <= room:
        return range(count)
    shown = max(1, room - 2)
    first = min(max(0, index - shown // 2), count - shown)
    return range(first, first + shown)


@dataclass
class Chooser:
    """The list on the screen. Given its title, its lines, and a way to ask how many rows the terminal has."""

    title: str
    choices: Sequence[Choice]
    translate: Translate
    rows: Callable[[], int] = lambda: sys.maxsize
    selection: Selection = field(init=False)

    def __post_init__(self) -> None:
        self.selection = Selection(tuple(choice.number for choice in self.choices))

    def picture(self) -> StyleAndTextTuples:
        """Return the list as it looks now."""
        parts: StyleAndTextTuples = [("class:title", f"  {self.title}\n\n"), *self._lines()]
        parts.append(("", "\n  " + message("Option:").text(self.translate) + " "))
        parts.append(("class:here", self.selection.typed))
        parts.append(("[SetCursorPosition]", ""))
        if self.selection.is_refused:
            refusal = message("there is no option {number}", number=self.selection.typed).text(self.translate)
            parts.append(("class:problem", f"   {refusal}"))
        elif not self.selection.typed:
            parts.append(
                ("class:note", "   " + message("type a number or use the arrows, then Enter").text(self.translate))
            )
        return parts

    def _lines(self) -> StyleAndTextTuples:
        """Return as many of the choices, with the marked one, as have room."""
        shown = part_around(self.selection.index, len(self.choices), self.rows() - OTHER_LINES)
        is_part = len(shown) < len(self.choices)
        more = "       ...\n"
        parts: StyleAndTextTuples = [("class:note", more if shown.start else "\n")] if is_part else []
        for index in shown:
            choice, is_here = self.choices[index], index == self.selection.index
            parts.append(("class:title", "  > " if is_here else "    "))
            parts.append(("class:number", f"{choice.number:>3}"))
            parts.append(("class:here" if is_here else "", f"  {choice.title}\n"))
        return [*parts, ("class:note", more if shown.stop < len(self.choices) else "\n")] if is_part else parts

    def enter(self, event: KeyPressEvent) -> None:
        """Leave with the choice, or say that there is no such option."""
        if self.selection.chosen is None:
            self.selection = replace(self.selection, is_refused=True)
        else:
            event.app.exit(result=self.selection.chosen)

    def keys(self) -> KeyBindings:
        """Return what each key does."""
        from prompt_toolkit.key_binding import KeyBindings

        bindings = KeyBindings()
        bindings.add("enter")(self.enter)
        bindings.add("up")(lambda _event: self._become(self.selection.moved(-1)))
        bindings.add("down")(lambda _event: self._become(self.selection.moved(1)))
        bindings.add("backspace")(lambda _event: self._become(self.selection.without_last()))
        bindings.add("c-c")(lambda event: event.app.exit(exception=KeyboardInterrupt))
        bindings.add("c-d")(lambda event: event.app.exit(exception=EOFError))
        for digit in "0123456789":
            bindings.add(digit)(lambda event: self._become(self.selection.with_digit(event.data)))
        return bindings

    def _become(self, selection: Selection) -> None:
        self.selection = selection


def choose(title: str, choices: Sequence[Choice], translate: Translate) -> int:
    """Given a title and numbered lines, return the chosen number. Raises KeyboardInterrupt or EOFError."""
    from prompt_toolkit.application import Application, get_app
    from prompt_toolkit.layout import Layout, Window
    from prompt_toolkit.layout.controls import FormattedTextControl
    from prompt_toolkit.styles import Style

    chooser = Chooser(title, choices, translate, rows=lambda: get_app().output.get_size().rows)
    window = Window(FormattedTextControl(chooser.picture, focusable=True), dont_extend_height=True, wrap_lines=False)
    application: Application[int] = Application(
        Layout(window), key_bindings=chooser.keys(), style=Style.from_dict(STYLE), erase_when_done=True
    )
    return application.run()
