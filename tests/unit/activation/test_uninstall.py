"""`uninstall` is the way out of everything, also of an installation that nobody can read any more."""

from __future__ import annotations

from pathlib import Path

from slave_agent.activation import uninstall as verb
from slave_agent.activation.context import Activation
from slave_agent.activation.layout import Layout
from slave_agent.activation.record import RecordStore
from slave_agent.activation.states import Scope


class Keeper:
    """Only remembers that everything was to go."""

    is_removed = False

    def remove(self) -> None:
        self.is_removed = True


def test_a_record_that_cannot_be_read_is_not_in_the_way(tmp_path: Path) -> None:
    layout = Layout(
        Scope.NOHUP, tmp_path / "opt", tmp_path / "etc", tmp_path / "var", tmp_path / "a/b/units", tmp_path / "run"
    )
    for folder in (layout.state, layout.etc, layout.var):
        folder.mkdir(parents=True)
    layout.record.write_text("{")
    keeper = Keeper()
    activation = Activation(layout, RecordStore(layout.record), keeper, None, lambda _: None)  # type: ignore[arg-type]
    verb.uninstall(activation, keep_bootstrap=False)
    assert keeper.is_removed and not any(folder.exists() for folder in (layout.opt, layout.etc, layout.var))


def test_what_an_interrupted_uninstall_is_repeated_with_goes_last() -> None:
    names = ["controls", "state", "control", "bootstrap", "releases"]
    ordered = [path.name for path in sorted(map(Path, names), key=verb._goes_last)]
    assert ordered == ["bootstrap", "releases", "state", "control", "controls"]
