"""Step 8: what the master remembers of a slave whose agent has proved itself."""

from __future__ import annotations

from datetime import UTC, datetime

from d8.build.activation import AgentFacts
from d8.build.progress import Progress
from d8.fleet.names import Address
from d8.fleet.registry import Registry
from d8.messages import message
from d8.models import Slave, StrategyName


def register(
    address: Address, slave_id: str, agent: AgentFacts, strategy: StrategyName | None, tls: bool, registry: Registry
) -> Slave:
    """Given the proved agent's facts, save the slave and return it. Without a strategy (nothing was installed) what was
    known before stays."""
    known = next((slave for slave in registry.slaves() if slave.slave_id == slave_id), None)
    slave = Slave(
        slave_id=slave_id,
        address=address.host,
        port=address.port,
        machine_id=agent.machine_id,
        hostname=agent.hostname,
        commit=agent.commit,
        strategy=strategy or (known.strategy if known else StrategyName.VENV),
        scope=agent.scope,
        survives_reboot=agent.survives_reboot,
        registered=known.registered if known else datetime.now(UTC),
        tls=tls,
        persistence_command=agent.persistence_command,
    )
    registry.save_slave(slave)
    if strategy is not None:  # built anew: its former credentials are dead, and with them what was owed to them
        registry.pending.settle(slave_id)
    return slave


def warn_of_reboot(slave: Slave, progress: Progress) -> None:
    """Given a slave, say aloud when its agent would not come back after a reboot, and what changes that."""
    if slave.survives_reboot:
        return
    progress.warn(message("the agent does not survive a reboot of {slave}", slave=slave.slave_id))
    if slave.persistence_command:
        text = "an administrator can change that there:\n{command}"
        progress.warn(message(text, command=slave.persistence_command))
