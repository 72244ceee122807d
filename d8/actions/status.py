"""Option 1: how every registered slave is, asked at the same time, judged by one pure rule."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from d8.actions.fan_out import fan_out
from d8.actions.unexpected import unexpected
from d8.actions.workplace import Workplace
from d8.app_models import NEEDS_ATTENTION, AppState, AppStatus
from d8.errors import D8Error, ExitCode, Refused, SlaveUnreachable
from d8.fleet.agent_client import SlaveClient
from d8.fleet.apps_client import AppsClient
from d8.fleet.connection import OWN_SERVERS, OtherServer, connect_to_slave
from d8.messages import NOTHING, Message, message
from d8.models import Slave


class SlaveState(StrEnum):
    """What the master sees when it asks a slave."""

    OK = "ok"
    OTHER_COMMIT = "other_commit"
    BOOTSTRAP = "bootstrap"
    OTHER_MACHINE = "other_machine"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    UNKNOWN = "unknown"


ANSWERING = frozenset({SlaveState.OK, SlaveState.OTHER_COMMIT})


@dataclass(frozen=True)
class SlaveStatus:
    """One slave as it is now. `latency_seconds` is None when nothing answered; `advice` says what to do.

    `apps` is None where nothing is known of them.
    """

    slave: Slave
    state: SlaveState
    latency_seconds: float | None = None
    commit: str | None = None
    detail: Message = NOTHING
    advice: Message = NOTHING
    apps: tuple[AppStatus, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return this slave's object in `status --json`."""
        return {
            "slave_id": self.slave.slave_id,
            "address": self.slave.address,
            "port": self.slave.port,
            "hostname": self.slave.hostname,
            "state": self.state.value,
            "latency_ms": round(self.latency_seconds * 1000, 1) if self.latency_seconds is not None else None,
            "commit": self.commit,
            "survives_reboot": self.slave.survives_reboot,
            "detail": str(self.detail) or None,
            "hint": str(self.advice) or None,
            "apps": _apps_as_json(self.apps),
        }


def slave_as_json(slave: Slave) -> dict[str, Any]:
    """Given a registered slave, return its object in JSON answers. Pure."""
    return {**asdict(slave), "registered": slave.registered.isoformat()}


def fleet_status(workplace: Workplace, master_commit: str | None) -> list[SlaveStatus]:
    """Given the master's commit (None: unknown), return the status of every registered slave, by name."""
    registry, settings = workplace.registry, workplace.settings
    return fan_out(lambda slave: _ask(workplace, slave, master_commit), registry.slaves(), settings.fan_out)


def slave_status(
    workplace: Workplace, name: str, master_commit: str | None
) -> tuple[SlaveStatus, dict[str, Any] | None]:
    """Given a slave's name, return its status and, where its agent answers, the facts of its host."""
    slave = workplace.registry.slave(name)
    status = _ask(workplace, slave, master_commit)
    if status.state not in ANSWERING:
        return status, None
    client = connect_to_slave(slave, workplace.settings, workplace.registry)
    try:
        return status, client.system()
    finally:
        client.close()


def judge(slave: Slave, health: dict[str, Any], master_commit: str | None, latency_seconds: float) -> SlaveStatus:
    """Given a slave's health answer and the master's commit, return its status. Pure."""
    commit = health.get("commit") if isinstance(health.get("commit"), str) else None
    host = health.get("host") if isinstance(health.get("host"), dict) else {}
    found_id = (host or {}).get("machine_id")
    state, detail, advice = SlaveState.OK, NOTHING, NOTHING
    if found_id and found_id != slave.machine_id:
        state = SlaveState.OTHER_MACHINE
        detail = message("another machine answers at this address")
        advice = message("Build it (option 11) if it was replaced; otherwise look for the old one.")
    elif health.get("mode") == "bootstrap":
        state = SlaveState.BOOTSTRAP
        detail = message("the bootstrap answers, not the agent")
        advice = message("Build it again (option 11).")
    elif health.get("mode") != "agent":
        state = SlaveState.UNKNOWN
        detail = message("its health answer is not understood")
        advice = message("Build it again (option 11).")
    elif master_commit and commit != master_commit:
        state = SlaveState.OTHER_COMMIT
        detail = message(
            "runs commit {theirs}, the master {ours}", theirs=(commit or "?")[:10], ours=master_commit[:10]
        )
        advice = message("Update it (option 15) to bring it to the master's commit.")
    elif not slave.survives_reboot:
        detail = message("does not survive a reboot")
        if slave.persistence_command:
            advice = message("Run on it, as administrator:\n{command}", command=slave.persistence_command)
    return SlaveStatus(slave, state, latency_seconds, commit, detail, advice)


def fleet_exit_code(statuses: Sequence[SlaveStatus]) -> ExitCode:
    """Given all statuses, return the exit code: 0 every agent answers, 5 some do not, 3 none does. Pure."""
    answering = [status for status in statuses if status.state in ANSWERING]
    if len(answering) == len(statuses):
        return ExitCode.DONE
    return ExitCode.PARTLY_DONE if answering else ExitCode.UNREACHABLE


def _apps_as_json(apps: tuple[AppStatus, ...] | None) -> dict[str, Any] | None:
    if apps is None:
        return None
    return {
        "total": len(apps),
        "running": sum(app.status is AppState.RUNNING for app in apps),
        "need_attention": [app.name for app in apps if app.status in NEEDS_ATTENTION],
    }


def _apps(client: SlaveClient) -> tuple[AppStatus, ...] | None:
    """The apps beside the health, over the same line; a slave that does not tell is as well as its health says."""
    try:
        return tuple(AppsClient(client).all())
    except D8Error:
        return None


def _ask(workplace: Workplace, slave: Slave, master_commit: str | None) -> SlaveStatus:
    try:
        client = connect_to_slave(slave, workplace.settings, workplace.registry, OWN_SERVERS)
        try:
            began = time.monotonic()
            health = client.health()
            status = judge(slave, health, master_commit, time.monotonic() - began)
            return replace(status, apps=_apps(client)) if status.state in ANSWERING else status
        finally:
            client.close()
    except SlaveUnreachable as error:
        return SlaveStatus(slave, SlaveState.UNREACHABLE, detail=error.message, advice=error.hint)
    except OtherServer as error:
        return SlaveStatus(slave, SlaveState.OTHER_MACHINE, detail=error.message, advice=error.hint)
    except Refused as error:
        return SlaveStatus(slave, SlaveState.REFUSED, detail=error.message, advice=error.hint)
    except D8Error as error:
        return SlaveStatus(slave, SlaveState.UNKNOWN, detail=error.message, advice=error.hint)
    except Exception as error:  # a bug with one slave must not take the others' results with it
        return SlaveStatus(slave, SlaveState.UNKNOWN, detail=unexpected(error))
