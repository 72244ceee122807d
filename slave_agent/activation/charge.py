"""Which release's code is in charge: the copy that guard, swap and helper run from, and the units that start them.

It is the confirmed release's. One that is only tried is watched by the code of the one before; its own takes charge
when it is confirmed, after it was seen to work, and gives it back where the release goes.
"""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

from slave_agent.activation import bootstrap_copy, clock, units
from slave_agent.activation.commands import Finished
from slave_agent.activation.context import Activation
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import Owner, give_tree, make_folder, point_link, remove_tree
from slave_agent.activation.layout import Layout
from slave_agent.activation.record import Record
from slave_agent.activation.runtime import runtime_of
from slave_agent.activation.states import Scope

CODE = ("__init__.py", "activation", "privileged", "systemd")
TAKING_SECONDS = 30.0
LOOK_SECONDS = 15.0
PING_SECONDS = 5.0
PINGS = 3  # one may come while all of the helper's places are taken
MEND_IT = "Mend it and send it again."
PING = b'{"verb": "ping"}\n'


def commit_in_charge(layout: Layout) -> str | None:
    """The commit of the release whose code is in charge; None where there is none."""
    copy = layout.control.resolve()
    return copy.name.partition("-")[0] if (copy / "d8-activate").exists() else None


def switch_code(layout: Layout, release: Path) -> None:
    """Given a release, let guard, swap and helper run from a copy of its code, which outlives the release."""
    _point(layout, _copied(layout, release))


def take_charge(activation: Activation, release: Path) -> dict[str, Any]:
    """The verb `take-charge`, called in the release itself: its code and its units are in charge from now on.

    Raises ActivationError, and changes nothing, when its guard does not work or systemd refuses its units.
    """
    layout, record = activation.layout, activation.store.load()
    copy = _copied(layout, release)
    try:
        check_guard(activation, copy)
        activation.keeper.place(units_of(layout, record, release))
    except ActivationError:
        remove_tree(copy)
        raise
    _point(layout, copy)
    return {"in_charge": release.name}


def put_in_charge(activation: Activation, commit: str) -> None:
    """Given a release, have its code take charge where another's has it, and see that root's helper answers.

    Raises ActivationError with what does not work.
    """
    layout = activation.layout
    if commit_in_charge(layout) != commit:
        program = layout.release(commit) / "d8-activate"
        argv = [layout.python, "-I", str(program), "take-charge"]
        if problem := _problem(activation.runner.run(argv, timeout_seconds=TAKING_SECONDS)):
            raise ActivationError(f"The release can't take charge: {problem}", MEND_IT)
    if layout.helper_socket is not None:
        _check_helper(activation, layout.helper_socket)


def keep_in_charge(activation: Activation, record: Record) -> None:
    """The confirmed release has charge again, or still; what stands against it is written down beside the reason."""
    try:
        put_in_charge(activation, record.commit)
    except ActivationError as error:
        activation.store.update(reason="; ".join(filter(None, (record.reason, error.message))))


def check_guard(activation: Activation, code: Path) -> None:
    """Given a copy of a release's code, see that its guard can look and decide. Raises ActivationError."""
    argv = [activation.layout.python, "-I", str(code / "d8-activate"), "guard", "--dry-run"]
    if problem := _problem(activation.runner.run(argv, timeout_seconds=LOOK_SECONDS)):
        raise ActivationError(f"The guard of the release does not work: {problem}", MEND_IT)


def units_of(layout: Layout, record: Record, release: Path) -> dict[str, str]:
    """Given the record and a release, return the text of each unit; none where there is no systemd."""
    if not layout.scope.has_systemd:
        return {}
    return units.render_units(layout, unit_values(record), runtime_of(release))


def unit_values(record: Record) -> units.UnitValues:
    """Return what the units need to know of an installation."""
    return units.UnitValues(
        port=record.port,
        bind=record.bind,
        bootstrap_user=record.bootstrap_user,
        bootstrap_home=bootstrap_copy.home_of(record.bootstrap_user) if record.bootstrap_user else Path("/"),
        guard_period_seconds=units.guard_period_seconds(record.confirm_timeout_seconds),
    )


def _copied(layout: Layout, release: Path) -> Path:
    copy = layout.opt / "controls" / f"{release.name}-{clock.boottime_seconds():.3f}"
    make_folder(copy / "slave_agent")
    for name in CODE:
        source = release / "slave_agent" / name
        if source.is_dir():
            shutil.copytree(source, copy / "slave_agent" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copy / "slave_agent" / name)
    shutil.copy2(release / "slave_agent/activation/d8-activate", copy / "d8-activate")
    shutil.copy2(release / "slave_agent/privileged/d8-helper", copy / "d8-helper")
    if layout.scope is Scope.SYSTEM:
        give_tree(copy, Owner(0, 0))
    return copy


def _point(layout: Layout, copy: Path) -> None:
    kept = {copy, layout.control.resolve()}  # helper and guard may be running from the one before at this moment
    point_link(layout.control, copy)
    for other in copy.parent.iterdir():
        if other not in kept:
            remove_tree(other)


def _problem(finished: Finished) -> str:
    """What a verb complained of; empty where it did what it was asked."""
    try:
        return str(json.loads(finished.stdout).get("error", ""))
    except ValueError:
        return finished.reason


def _check_helper(activation: Activation, path: Path) -> None:
    problem = ""
    for _ in range(PINGS):
        try:
            answer = json.loads(_ping(path))
        except (OSError, ValueError) as error:
            problem = str(error)
            activation.sleep(1)
            continue
        if isinstance(answer, dict) and answer.get("ok"):
            return
        problem = str(answer)
    raise ActivationError(
        f"Root's helper of the release does not answer: {problem}", "Its log says why: journalctl -u 'd8-helper*'"
    )


def _ping(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PING_SECONDS)
        connection.connect(str(path))
        connection.sendall(PING)
        with connection.makefile("rb") as lines:
            return lines.readline(65536)
