"""PURE: the registered slaves as an inventory that Ansible reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from d8.models import Slave

GROUP = "d8_slaves"


def inventory_of(slaves: Sequence[Slave]) -> dict[str, Any]:
    """Given the registered slaves, return them as Ansible's yaml plugin reads them: JSON is YAML.

    How to log in is not in it: D8 needs no ssh after a build, and each operator's keys are their own.
    Source: https://docs.ansible.com/ansible/latest/collections/ansible/builtin/yaml_inventory.html
    """
    return {"all": {"children": {GROUP: {"hosts": {slave.slave_id: _facts(slave) for slave in slaves}}}}}


def _facts(slave: Slave) -> dict[str, Any]:
    return {
        "ansible_host": slave.address,
        "d8_port": slave.port,
        "d8_hostname": slave.hostname,
        "d8_commit": slave.commit,
        "d8_strategy": slave.strategy.value,
        "d8_scope": slave.scope.value,
    }
