"""What is on the disk when a host is switched off while the units are placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from slave_agent.activation import systemd_keeper, units
from slave_agent.activation.commands import Finished
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import write_file
from slave_agent.activation.layout import Layout, layout_for
from slave_agent.activation.states import Scope
from slave_agent.activation.systemd_keeper import SystemdKeeper
from slave_agent.activation.units import UnitValues, render_units

VALUES = UnitValues(
    port=7600, bind="0.0.0.0", bootstrap_user="pi", bootstrap_home=Path("/home/pi"), guard_period_seconds=12
)


class SwitchedOff(BaseException):
    """Nothing happens afterwards."""


class NoManager:
    """A host whose systemd is going down."""

    def run(
        self, argv: Sequence[str], *, stdin: str = "", timeout_seconds: float = 60, env: Mapping[str, str] | None = None
    ) -> Finished:
        if argv[0] == "systemd-analyze":
            return Finished(tuple(argv), 0, "", "")
        return Finished(tuple(argv), 1, "", "Failed to connect to bus: Connection refused")

    def spawn(self, argv: Sequence[str], *, folder: Path, log: Path) -> int:
        raise AssertionError("nothing is spawned")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_for(Scope.USER, tmp_path / "opt", tmp_path, 1000, python="/usr/bin/python3")


def begins_at_boot(layout: Layout) -> bool:
    """Whether the bootstrap does: its unit is there, and the link that has it started."""
    unit = layout.units / units.BOOTSTRAP
    return unit.exists() and (layout.units / "default.target.wants" / units.BOOTSTRAP).resolve() == unit.resolve()


def test_a_first_placing_that_ends_at_the_manager_leaves_a_bootstrap_that_begins_at_boot(layout: Layout) -> None:
    keeper = SystemdKeeper(layout, NoManager(), "/run/user/1000")
    with pytest.raises(ActivationError, match="Connection refused"):
        keeper.place(render_units(layout, VALUES))
    assert begins_at_boot(layout)


@pytest.mark.parametrize("count", range(len(units.unit_names(Scope.USER)) + 1))
def test_whenever_it_is_switched_off_the_bootstrap_begins_at_boot_or_nothing_looks_like_an_agent(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    left = [count]

    def write_until(path: Path, text: str) -> None:
        if not left[0]:
            raise SwitchedOff
        left[0] -= 1
        write_file(path, text)

    monkeypatch.setattr(systemd_keeper, "write_file", write_until)
    with pytest.raises((SwitchedOff, ActivationError)):
        SystemdKeeper(layout, NoManager(), "/run/user/1000").place(render_units(layout, VALUES))
    assert begins_at_boot(layout) or not (layout.units / units.SOCKET).exists()


def test_where_an_agent_is_installed_already_nothing_is_changed_about_the_boot(layout: Layout) -> None:
    layout.units.mkdir(parents=True)
    write_file(layout.units / units.SOCKET, "[Socket]\n")
    with pytest.raises(ActivationError):
        SystemdKeeper(layout, NoManager(), "/run/user/1000").place(render_units(layout, VALUES))
    assert not begins_at_boot(layout)
