"""The fixed verbs on apps: check, install, restore, remove, start, stop, … The same code for root's helper and for a
user's own services; who may ask is decided before, by whoever calls.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any, Optional

from slave_agent.systemd.app_checks import STOPPED, AppChecks, Document, HostCheck, PathCheck
from slave_agent.systemd.app_lock import PATIENCE_SECONDS, locked
from slave_agent.systemd.app_place import AppPlace
from slave_agent.systemd.environment_file import render_environment
from slave_agent.systemd.errors import Busy, Refused, SystemdError
from slave_agent.systemd.service_config import (
    APP_NAME,
    FieldProblem,
    config_from,
    unit_name,
)
from slave_agent.systemd.service_generator import Placement, render_unit
from slave_agent.systemd.states import UnitVerb
from slave_agent.systemd.systemctl import Finished, Systemctl
from slave_agent.systemd.unit_files import OURS, Stage, UnitFiles, UnitFileState


class AppOperations:
    """Given where apps lie, systemctl, and the looks at the host. Every method takes names and documents unchecked and
    raises SystemdError: Refused (with the fields to blame), Busy, or that systemd did not do its part.
    """

    def __init__(self, place: AppPlace, systemctl: Systemctl, host_check: HostCheck, path_check: PathCheck) -> None:
        self.place, self.systemctl = place, systemctl
        self.files = UnitFiles(place)
        self._checks = AppChecks(self.files, systemctl, host_check, path_check)

    def check(self, document: Document, keep_environment: bool = False) -> tuple[list[FieldProblem], Optional[str]]:
        """Return every problem with an app on this host, and its interpreter if it was found. Writes nothing."""
        return self._checks.check(document, keep_environment)

    def install_unit(self, document: Document, keep_environment: bool = False) -> dict[str, Any]:
        """Check the app, write its environment and unit, reload. The version before is kept until forget_previous."""
        with self._working_on(document.get("name")) as name:
            problems, interpreter = self.check(document, keep_environment)
            if problems or interpreter is None:
                raise Refused("The app can't be installed as it is described.", "Correct the fields.", problems)
            self._refuse_foreign(name)
            config = config_from(self._checks.whole(document, keep_environment))
            unit = render_unit(config, self._placement(name, interpreter))
            environment = render_environment(config.environment)
            self._try(name, unit)
            self._replace(name, unit, environment)
            return {
                "unit": unit_name(name),
                "interpreter": interpreter,
                "environment_names": sorted(config.environment),
            }

    def restore_unit(self, name: object) -> bool:
        """Put back unit and environment as they were before the last install; where nothing was, leave nothing.

        Returns False when nothing is kept to go back to.
        """
        with self._working_on(name) as known:
            if self.files.note(known) is None:
                return False
            self.files.mark(known, Stage.WRITING)
            self._finish(known)
            return True

    def forget_previous(self, name: object) -> None:
        """The last install is good: what was before it is not kept any longer."""
        with self._working_on(name) as known:
            self.files.forget(known)

    def remove_unit(self, name: object) -> bool:
        """Stop, disable and delete everything of an app. Returns whether there was anything of it."""
        had = self.files.has_anything(_known(name))
        with self._working_on(name) as known:
            self._refuse_foreign(known)
            self.files.begin(known, Stage.REMOVING)
            self._finish(known)
            return had

    def act(self, verb: UnitVerb, name: object) -> Finished:
        """Have systemd do something with an app's unit and return how systemctl ended: a non-zero exit is data.

        Start and restart look again at who could have changed what will run, and clear the count of failed starts.
        """
        with self._working_on(name) as known:
            if self.files.state(known) not in OURS:
                raise Refused(f"There is no app {known} of D8's here.", "Register it first.")
            if verb in (UnitVerb.START, UnitVerb.RESTART):
                self._checks.refuse_what_may_not_start(known)
                self.systemctl.act(UnitVerb.RESET_FAILED, unit_name(known))
            return self.systemctl.act(verb, unit_name(known))

    def look(self, name: object) -> dict[str, Any]:
        """Return what is on the disk for an app: the unit's state, the environment's names, whether a former version
        is kept.
        """
        known = _known(name)
        return {
            "file": self.files.state(known).value,
            "environment_names": sorted(self.files.environment(known)),
            "has_previous": self.files.note(known) is not None,
        }

    def installed(self) -> tuple[str, ...]:
        """Return the names of all apps with a unit here, sorted, after finishing what was interrupted."""
        for name in self.files.unfinished():
            with contextlib.suppress(Busy), self._working_on(name, patience_seconds=0):
                pass
        return self.files.names()

    @contextlib.contextmanager
    def _working_on(self, name: object, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[str]:
        """Alone on the app, after whatever was interrupted has been finished. Raises Refused for what is no name."""
        known = _known(name)
        self.files.make_folders()
        with locked(self.place.lock(known), patience_seconds):
            note = self.files.note(known)
            if note is not None and note.stage is not Stage.SETTLED:
                self._finish(known)
            yield known

    def _finish(self, name: str) -> None:
        """Bring the app to what its note says. Every step may be repeated; the note goes last."""
        note = self.files.note(name)
        if note is None:
            return
        if note.stage is Stage.REMOVING or note.unit is None:
            self._stop_for_good(name)
            self.files.delete(name)
        else:
            self.files.write(name, note.unit, note.environment)
        self.systemctl.daemon_reload()
        if note.stage is Stage.REMOVING or note.unit is None:
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

    def _try(self, name: str, unit: str) -> None:
        """Have systemd read the unit apart, before it is where it counts. Raises SystemdError for what it finds."""
        folder = self.place.trial(name)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            path = folder / unit_name(name)
            path.write_text(unit, encoding="utf-8")
            found = self.systemctl.verify(str(path))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        if found:
            raise SystemdError(f"systemd would not take the unit: {'; '.join(found)[:800]}", "Report this.")

    def _replace(self, name: str, unit: str, environment: str) -> None:
        self.files.begin(name, Stage.WRITING)
        try:
            self.files.write(name, unit, environment)
            self.systemctl.daemon_reload()
            self.files.mark(name, Stage.SETTLED)
        except BaseException:
            self._finish(name)
            raise

    def _refuse_foreign(self, name: str) -> None:
        path = str(self.place.unit(name))
        status = self.systemctl.show([unit_name(name)]).get(unit_name(name))
        elsewhere = status.fragment_path if status is not None else None
        if self.files.state(name) is UnitFileState.FOREIGN:
            raise Refused(f"{path} is there already and not D8's.", "Choose another name, or move that file away.")
        if elsewhere and elsewhere != path:
            raise Refused(f"There is a unit of that name already: {elsewhere}.", "Choose another name.")

    def _placement(self, name: str, interpreter: str) -> Placement:
        return Placement(
            is_user=self.place.is_user,
            environment_file=str(self.place.environment(name)),
            interpreter=interpreter,
            boot_target=self.place.boot_target,
        )


def _known(name: object) -> str:
    if isinstance(name, str) and APP_NAME.match(name):
        return name
    problem = FieldProblem("name", "A small letter, then small letters, digits, - and _, 48 at most.")
    raise Refused("That is no name of an app.", "Correct the name.", [problem])
