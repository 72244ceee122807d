"""Apps as they are kept on a host, whoever installed them: put back, removed, listed; one at a time, and whole after an
interruption. What must hold before an app gets there is operations.py's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from slave_agent.systemd.app_lock import PATIENCE_SECONDS, locked
from slave_agent.systemd.app_place import AppPlace
from slave_agent.systemd.errors import Busy, Refused, SystemdError
from slave_agent.systemd.service_config import APP_NAME, FieldProblem, unit_name
from slave_agent.systemd.states import UnitState, UnitVerb
from slave_agent.systemd.systemctl import Systemctl
from slave_agent.systemd.unit_files import Stage, UnitFiles, UnitFileState

STOPPED = (UnitState.INACTIVE, UnitState.FAILED, UnitState.NOT_FOUND)


class KeptApps:
    """Given where apps lie, and systemctl. Every method takes names unchecked and raises SystemdError: Refused, Busy,
    or that systemd did not do its part.
    """

    def __init__(self, place: AppPlace, systemctl: Systemctl) -> None:
        self.place, self.systemctl = place, systemctl
        self.files = UnitFiles(place)

    def restore_unit(self, name: object) -> bool:
        """Put back unit and environment as they were before the last install; where nothing was, leave nothing.

        Returns False when nothing is kept to go back to.
        """
        with self.working_on(name) as known:
            if self.files.note(known) is None:
                return False
            self.files.mark(known, Stage.WRITING)
            self.finish(known)
            return True

    def forget_previous(self, name: object) -> None:
        """The last install is good: what was before it is not kept any longer."""
        with self.working_on(name) as known:
            self.files.forget(known)

    def remove_unit(self, name: object) -> bool:
        """Stop, disable and delete everything of an app. Returns whether there was anything of it.

        A disk that takes no note is no reason to keep what shall go: killed in between, it has to be asked again.
        """
        had = self.files.has_anything(known_name(name))
        with self.working_on(name, needs_whole=False) as known:
            self.refuse_foreign(known)
            with contextlib.suppress(OSError):
                self.files.begin(known, Stage.REMOVING)
            self._leave_nothing(known)
            return had

    def look(self, name: object) -> dict[str, Any]:
        """Return what is on the disk for an app: the unit's state, the environment's names, whether a former version
        is kept.
        """
        known = known_name(name)
        return {
            "file": self.files.state(known).value,
            "environment_names": sorted(self.files.environment(known)),
            "has_previous": self.files.note(known) is not None,
        }

    def installed(self) -> tuple[str, ...]:
        """Return the names of all apps with a unit here, sorted, after finishing what was interrupted."""
        for name in self.files.unfinished():
            with contextlib.suppress(Busy), self.working_on(name, patience_seconds=0):
                pass
        return self.files.names()

    @contextlib.contextmanager
    def working_on(
        self, name: object, patience_seconds: float = PATIENCE_SECONDS, needs_whole: bool = True
    ) -> Iterator[str]:
        """Alone on the app, after whatever was interrupted has been finished; if that is not needed, also where it
        can't be, as on a full disk. Raises Refused for what is no name.
        """
        known = known_name(name)
        self.files.make_folders()
        with locked(self.place.lock(known), patience_seconds):
            try:
                note = self.files.note(known)
                if note is not None and note.stage is not Stage.SETTLED:
                    self.finish(known)
            except (OSError, SystemdError):
                if needs_whole:
                    raise
            yield known

    def finish(self, name: str) -> None:
        """Bring the app to what its note says. Every step may be repeated; the note goes last."""
        note = self.files.note(name)
        if note is None:
            return
        was_there = note.unit is not None or note.environment is not None  # the environment alone: a hand took the unit
        if note.stage is Stage.REMOVING or not was_there:
            self._leave_nothing(name)
            return
        self.files.write(name, note.unit, note.environment)
        self.systemctl.daemon_reload()
        self.files.forget(name)

    def _leave_nothing(self, name: str) -> None:
        self._stop_for_good(name)
        self.systemctl.revert(unit_name(name))
        self.files.delete(name)
        self.systemctl.daemon_reload()
        self.systemctl.act(UnitVerb.RESET_FAILED, unit_name(name))
        self.files.forget(name)

    def _stop_for_good(self, name: str) -> None:
        """Stop and disable a unit that is going to be deleted. Raises SystemdError while something of it still runs."""
        unit = unit_name(name)
        self.systemctl.act(UnitVerb.DISABLE, unit)
        stopped = self.systemctl.act(UnitVerb.STOP, unit)
        status = self.systemctl.show([unit]).get(unit)
        if status is not None and status.state not in STOPPED:
            raise SystemdError(f"{unit} does not stop: {stopped.stderr.strip()[-300:]}", "Ask again, or kill it.")

    def refuse_foreign(self, name: str) -> None:
        """Raises Refused where the app's unit would take the place of somebody else's."""
        path = str(self.place.unit(name))
        status = self.systemctl.show([unit_name(name)]).get(unit_name(name))
        elsewhere = status.fragment_path if status is not None else None
        if self.files.state(name) is UnitFileState.FOREIGN:
            raise Refused(f"{path} is there already and not D8's.", "Choose another name, or move that file away.")
        if elsewhere and elsewhere != path:
            raise Refused(f"There is a unit of that name already: {elsewhere}.", "Choose another name.")


def known_name(name: object) -> str:
    """Return what is given if it is the name of an app. Raises Refused for anything else."""
    if isinstance(name, str) and APP_NAME.match(name):
        return name
    problem = FieldProblem("name", "A small letter, then small letters, digits, - and _, 48 at most.")
    raise Refused("That is no name of an app.", "Correct the name.", [problem])
