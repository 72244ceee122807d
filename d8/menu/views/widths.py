"""How wide the columns of a table are, where the screen is narrower than they would like. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rich.cells import cell_len

LONGEST_WORD = 20  # cells; a longer one (a path, an address of IPv6) may be broken


def column_widths(columns: Sequence[Sequence[str]], flexible: Collection[int], room: int) -> list[int]:
    """Given each column's texts, which columns may be wrapped and the cells that there are, return the widths.

    The widest gives way first, down to its longest word; the others, and words, only where that is not enough.
    """
    wanted = [max((cell_len(line) for text in column for line in text.split("\n")), default=0) for column in columns]
    words = [max((cell_len(word) for text in column for word in text.split()), default=0) for column in columns]
    least = [min(words[index], LONGEST_WORD) if index in flexible else width for index, width in enumerate(wanted)]
    return _narrowed(_narrowed(wanted, least, room), [1] * len(columns), room)


def _narrowed(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    found = list(widths)
    while sum(found) > room and (giving := [index for index, width in enumerate(found) if width > least[index]]):
        found[max(giving, key=found.__getitem__)] -= 1
    return found
