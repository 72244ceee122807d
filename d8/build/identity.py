"""Which slave a machine is: its name goes by its address, its identity by its machine-id. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from d8.fleet.names import Address, slave_id_for
from d8.messages import Message, message
from d8.models import Slave

MARK_LENGTH = 8  # characters of a machine-id that tell two machines of one name apart


@dataclass(frozen=True)
class Identity:
    """The slave_id for a machine, what the operator should know of it, and the slave that had to give its name away."""

    slave_id: str
    notice: Message | None = None
    displaced: Slave | None = None


def identify(address: Address, machine_id: str, known: list[Slave], old_address_answers: bool) -> Identity:
    """Given where a machine answers, its machine-id and the fleet, return who it is.

    The same machine-id elsewhere is the same slave after a move, unless its old address still answers: then it is a
    copy. Another machine-id at a known address is another machine: it gets the name, and the former one, which may live
    on elsewhere, keeps its credentials under a name of its own. A name that belongs to a slave elsewhere is not taken.
    """
    here = next((slave for slave in known if (slave.address, slave.port) == (address.host, address.port)), None)
    twin = next((slave for slave in known if machine_id and slave.machine_id == machine_id), None)
    if here is not None and (here is twin or not machine_id or not here.machine_id or here.machine_id == machine_id):
        return Identity(here.slave_id)
    if twin is not None and not old_address_answers:
        text = "this machine is {slave}, which was at {address} before"
        return Identity(twin.slave_id, message(text, slave=twin.slave_id, address=twin.address))
    if twin is not None:
        text = "this machine has the machine-id of {slave}, which still answers at {address}: it is a copy of it"
        name = _free_name(address, machine_id, known)
        return Identity(name, message(text, slave=twin.slave_id, address=twin.address))
    if here is not None:
        text = "another machine was {slave} until now; that one is called {former} from now on"
        former = marked(here.slave_id, here.machine_id)
        return Identity(here.slave_id, message(text, slave=here.slave_id, former=former), displaced=here)
    return Identity(_free_name(address, machine_id, known))


def marked(slave_id: str, machine_id: str) -> str:
    """Given a slave's name and its machine-id, return the name that sets it apart from another machine's."""
    return f"{slave_id}-{machine_id[:MARK_LENGTH]}"


def _free_name(address: Address, machine_id: str, known: list[Slave]) -> str:
    name = slave_id_for(address)
    return marked(name, machine_id) if any(slave.slave_id == name for slave in known) else name
