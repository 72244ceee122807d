"""What every verb works with: the layout, the record, the keeper and the outside world as arguments."""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slave_agent.activation.commands import Commands, Runner
from slave_agent.activation.files import Owner, read_json
from slave_agent.activation.keeper import Keeper
from slave_agent.activation.layout import SYSTEM_OPT, Layout, layout_for
from slave_agent.activation.plain_keeper import PlainKeeper
from slave_agent.activation.probe import Answer, Probe, fingerprint_of
from slave_agent.activation.record import Record, RecordStore
from slave_agent.activation.states import Scope
from slave_agent.activation.systemd_keeper import SystemdKeeper


@dataclass(frozen=True)
class Activation:
    """One installation and the means to work on it."""

    layout: Layout
    store: RecordStore
    keeper: Keeper
    runner: Runner
    sleep: Callable[[float], None]

    def look(self, record: Record, timeout_seconds: float = 3.0) -> Answer:
        """Return who answers on the installation's port at this moment."""
        probe = Probe(record.bind, record.port, record.tls, timeout_seconds)
        return probe.look(self.known_fingerprints(record))

    def known_fingerprints(self, record: Record) -> set[str]:
        """The certificates that our own servers may present: the agent's current and pending one, the bootstrap's."""
        certificates = agent_certificates(self.layout)
        for config in (self.layout.bootstrap_config, Path(record.installer_folder or "/") / "config.json"):
            with contextlib.suppress(OSError, ValueError):
                named = read_json(config).get("certificate")
                certificates += [config.parent / named] if isinstance(named, str) else []
        found = [fingerprint_of(certificate) for certificate in certificates]
        return {fingerprint for fingerprint in found if fingerprint}


def agent_certificates(layout: Layout) -> list[Path]:
    """The certificates of the agent's credentials, the newest first; an empty list where there are none yet."""
    try:
        credentials = read_json(layout.credentials)
    except (OSError, ValueError):
        return []
    named = [(credentials.get(name) or {}).get("certificate") for name in ("pending", "current")]
    return [layout.var / certificate for certificate in named if isinstance(certificate, str)]


def open_activation(scope: Scope, opt: Path, sleep: Callable[[float], None] = time.sleep) -> Activation:
    """Given the scope and the opt folder, return the activation with real processes and systemd behind it."""
    runner = Commands()
    layout = layout_for(scope, opt, user_home(), os.geteuid())
    return Activation(layout, RecordStore(layout.record), keeper_for(layout, runner, sleep), runner, sleep)


def keeper_for(layout: Layout, runner: Runner, sleep: Callable[[float], None]) -> Keeper:
    """Return what keeps servers alive in the layout's scope."""
    if layout.scope.has_systemd:
        return SystemdKeeper(layout, runner, f"/run/user/{os.geteuid()}", sleep)
    return PlainKeeper(layout, runner, sleep)


def recorded_scope(opt: Path) -> Scope | None:
    """The scope that was installed below `opt`, or None."""
    if opt == SYSTEM_OPT:
        return Scope.SYSTEM
    record = RecordStore(opt / "state" / "handover.json").find()
    return record.scope if record else None


def user_home() -> Path:
    """The home that this user's services look into; $HOME may be another one."""
    return Path(pwd.getpwuid(os.geteuid()).pw_dir)


def owner_of(user: str) -> Owner:
    """The numeric ids of a user. Raises KeyError for an unknown one."""
    entry = pwd.getpwnam(user)
    return Owner(entry.pw_uid, entry.pw_gid)
