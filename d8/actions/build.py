"""Option 11: builds and registers slaves, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

from d8.actions.workplace import Workplace
from d8.build.builder import BuildD8Slave
from d8.build.events import Observer
from d8.errors import ExitCode
from d8.fleet.names import Address, parse_address
from d8.models import BuildReport, BuildStatus


def parse_hosts(hosts: Sequence[str], default_port: int) -> list[Address]:
    """Given what the operator typed, return the addresses, each once. Raises UsageError for the first bad one."""
    return list(dict.fromkeys(parse_address(host, default_port) for host in hosts))


def build_slave(workplace: Workplace, address: Address, observer: Observer) -> BuildReport:
    """Given an address, build the slave there and return the report; a failed build is a report too."""
    return BuildD8Slave(address, workplace.settings, workplace.registry, observer).build()


def overall_exit_code(reports: Sequence[BuildReport]) -> ExitCode:
    """Given the reports of one command, return its exit code: partly done when some failed. Pure."""
    failed = [report for report in reports if report.status is not BuildStatus.SUCCESS]
    if not failed:
        return ExitCode.DONE
    return failed[0].exit_code if len(failed) == len(reports) else ExitCode.PARTLY_DONE
