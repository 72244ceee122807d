"""Which slave a machine is: its name goes by its address, its identity by its machine-id. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from d8.fleet.names import Address, slave_id_for
from d8.messages import Message, message
from d8.models import Slave


@dataclass(frozen=True)
class Identity:
    """The slave_id for a machine, and what the operator should know about how it was found."""

    slave_id: str
    notice: Message | None = None


def identify(address: Address, machine_id: str, known: list[Slave], old_address_answers: bool) -> Identity:
    """Given where a machine answers, its machine-id and the fleet, return who it is.

    The same machine-id elsewhere is the same slave after a move, unless its old address still answers: then it is a
    copy and gets a name of its own. Another machine-id at a known address is a rebuilt machine.
    """
    own_name = slave_id_for(address)
    here = next((slave for slave in known if slave.slave_id == own_name), None)
    if here is not None:
        if machine_id and here.machine_id and here.machine_id != machine_id:
            text = "{slave} was another machine until now: it was rebuilt, or its address was given to this one"
            return Identity(own_name, message(text, slave=own_name))
        return Identity(own_name)
    twin = next((slave for slave in known if machine_id and slave.machine_id == machine_id), None)
    if twin is None or (twin.address, twin.port) == (address.host, address.port):
        return Identity(twin.slave_id if twin else own_name)
    if old_address_answers:
        text = "this machine has the machine-id of {slave}, which still answers at {address}: it is a copy of it"
        return Identity(own_name, message(text, slave=twin.slave_id, address=twin.address))
    text = "this machine is {slave}, which was at {address} before"
    return Identity(twin.slave_id, message(text, slave=twin.slave_id, address=twin.address))
