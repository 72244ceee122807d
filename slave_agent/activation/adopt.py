"""The verb `adopt`: plain processes become user units, once an administrator has let the user linger."""

from __future__ import annotations

from typing import Any

from slave_agent.activation import units
from slave_agent.activation.charge import unit_values
from slave_agent.activation.context import Activation, open_activation
from slave_agent.activation.files import point_link, read_json, write_json
from slave_agent.activation.record import Record
from slave_agent.activation.states import Mode, Phase, Scope
from slave_agent.activation.swap import stop_plain_bootstrap


def adopt(activation: Activation) -> dict[str, Any]:
    """Move a cron or nohup installation to user units: the same release, the same phase. Repeating it is fine."""
    record = activation.store.load()
    if record.scope is Scope.USER:
        return {"adopted": True, "scope": record.scope.value}
    adopted = open_activation(Scope.USER, activation.layout.opt, activation.sleep)
    adopted.keeper.place(units.render_units(adopted.layout, unit_values(record)))
    activation.keeper.remove()
    stop_plain_bootstrap(activation, record)
    _tell_the_agent(adopted, record)
    record = adopted.store.update(scope=Scope.USER, persistence_command=None, misses=0)
    is_confirmed = record.phase is Phase.CONFIRMED
    adopted.keeper.boot_into(Mode.AGENT if is_confirmed else Mode.BOOTSTRAP)
    if not is_confirmed:
        adopted.keeper.arm_guard()
    adopted.keeper.open_port()
    started = adopted.keeper.start_agent() if is_confirmed else adopted.keeper.start_bootstrap()
    _forget_unit(adopted)
    return {"adopted": started.is_ok, "scope": Scope.USER.value, "reason": "" if started.is_ok else started.reason}


def _tell_the_agent(adopted: Activation, record: Record) -> None:
    settings = adopted.layout.release(record.commit) / "agent.json"
    known = read_json(settings)
    write_json(
        settings, {**known, "scope": Scope.USER.value, "survives_reboot": True, "persistence_command": None}, 0o640
    )
    point_link(adopted.layout.agent_settings, adopted.layout.current / "agent.json")


def _forget_unit(adopted: Activation) -> None:
    for path in (adopted.layout.units / "default.target.wants" / units.ADOPT, adopted.layout.units / units.ADOPT):
        path.unlink(missing_ok=True)
