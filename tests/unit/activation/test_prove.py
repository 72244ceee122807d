"""`prove` while the guard is faster: it tells the guard's reason, not who happens to answer now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.layout import Layout
from slave_agent.activation.probe import Answer
from slave_agent.activation.prove import prove
from slave_agent.activation.record import Record, RecordStore
from slave_agent.activation.states import CredentialKind, Mode, Phase, Scope

OLD, NEW = "a" * 40, "b" * 40
REASON = "nobody of ours answered: timed out"
TAKEN_BACK: dict[str, Callable[[RecordStore], object]] = {
    "on the way": lambda store: store.update(phase=Phase.ROLLED_BACK, reason=REASON),
    "to the release before": lambda store: store.update(phase=Phase.CONFIRMED, commit=OLD, reason=REASON),
    "to nothing": lambda store: store.path.unlink(),
}


class Watched(Activation):
    """Looks at the new release, which then is taken back."""

    taken_back: Callable[[RecordStore], object]

    def look(self, record: Record, timeout_seconds: float = 3.0) -> Answer:
        self.taken_back(self.store)
        return Answer(Mode.AGENT, NEW)


@pytest.mark.parametrize("where", TAKEN_BACK)
def test_a_release_that_was_taken_back_is_named_so(tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(Scope.NOHUP, tmp_path, tmp_path / "etc", tmp_path / "var", tmp_path / "units", tmp_path / "run")
    layout.state.mkdir()
    store = RecordStore(layout.record)
    store.save(
        Record(
            phase=Phase.HANDED_OVER,
            scope=Scope.NOHUP,
            commit=NEW,
            slave_id="slave-1",
            port=7600,
            bind="127.0.0.1",
            tls=True,
            confirm_timeout_seconds=60,
            step_delay_seconds=0,
            bootstrap_user=None,
            bootstrap_credential=CredentialKind.RESCUE,
            confirmed_commit=OLD,
        )
    )
    monkeypatch.setattr(Watched, "taken_back", staticmethod(TAKEN_BACK[where]), raising=False)
    watched = Watched(layout, store, None, None, lambda _seconds: None)  # type: ignore[arg-type]
    with pytest.raises(ActivationError, match="taken back meanwhile") as caught:
        prove(watched, None, 0)
    assert ("it is removed" if where == "to nothing" else REASON) in caught.value.message
