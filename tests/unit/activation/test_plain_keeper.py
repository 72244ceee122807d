"""The crontab of the user is his: our lines come and go, the others stay, and what can't be read is never replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from slave_agent.activation.commands import Finished
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.layout import Layout, layout_for
from slave_agent.activation.plain_keeper import PlainKeeper, cron_lines
from slave_agent.activation.states import Scope

OTHERS = "5 4 * * * backup\n"


class Crontab:
    """A crontab program. `table` is None for a user without one; `refusal` is said instead of it."""

    def __init__(self, table: str | None, refusal: tuple[int, str] | None = None) -> None:
        self.table, self.refusal = table, refusal

    def run(
        self, argv: Sequence[str], *, stdin: str = "", timeout_seconds: float = 60, env: Mapping[str, str] | None = None
    ) -> Finished:
        if self.refusal:
            return Finished(tuple(argv), self.refusal[0], "", self.refusal[1])
        if argv[1] == "-":
            self.table = stdin
        elif self.table is None:
            return Finished(tuple(argv), 1, "", "no crontab for bob")
        elif argv[1] == "-r":
            self.table = None
        return Finished(tuple(argv), 0, self.table or "", "")

    def spawn(self, argv: Sequence[str], *, folder: Path, log: Path) -> int:
        return 2**22 + 1  # larger than any pid


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = layout_for(Scope.CRON, tmp_path / "opt", tmp_path, 1000)
    layout.state.mkdir(parents=True)
    return layout


@pytest.mark.parametrize("table", [None, "", OTHERS])
def test_our_lines_come_once_and_go_alone(layout: Layout, table: str | None) -> None:
    crontab = Crontab(table)
    keeper = PlainKeeper(layout, crontab, lambda _seconds: None)
    for _ in range(2):
        keeper.arm_guard()
        assert crontab.table == (table or "") + "".join(f"{line}\n" for line in cron_lines(layout))
    keeper.remove()
    assert crontab.table == (table or None)


@pytest.mark.parametrize("refusal", [(1, "You (bob) are not allowed to use this program"), (124, "did not end")])
def test_a_crontab_that_can_not_be_read_is_never_replaced(layout: Layout, refusal: tuple[int, str]) -> None:
    crontab = Crontab(OTHERS, refusal)
    with pytest.raises(ActivationError, match="could not be read"):
        PlainKeeper(layout, crontab, lambda _seconds: None).arm_guard()
    assert crontab.table == OTHERS


def test_where_cron_was_taken_away_there_is_nothing_of_ours_to_remove(layout: Layout) -> None:
    PlainKeeper(layout, Crontab(None, (127, "crontab is not installed")), lambda _seconds: None).remove()
