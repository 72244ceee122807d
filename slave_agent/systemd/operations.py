"""The fixed verbs on apps: check, install, restore, remove, start, stop, … The same code for root's helper and for a
user's own services; who may ask is decided before, by whoever calls.
"""

from __future__ import annotations

import shutil
from typing import Any, Optional

from slave_agent.systemd.app_checks import AppChecks, Document, HostCheck, PathCheck, PortHolder
from slave_agent.systemd.app_place import AppPlace
from slave_agent.systemd.environment_file import render_environment
from slave_agent.systemd.errors import Refused, SystemdError
from slave_agent.systemd.kept_apps import KeptApps
from slave_agent.systemd.port_holders import holds_port
from slave_agent.systemd.service_config import (
    FieldProblem,
    config_from,
    unit_name,
)
from slave_agent.systemd.service_generator import Placement, render_unit
from slave_agent.systemd.states import UnitVerb
from slave_agent.systemd.systemctl import Finished, Systemctl
from slave_agent.systemd.unit_files import OURS, Stage, UnitFileState

ENDING = (UnitVerb.STOP, UnitVerb.DISABLE)


class AppOperations(KeptApps):
    """Given where apps lie, systemctl, and the looks at the host. Every method takes names and documents unchecked and
    raises SystemdError: Refused (with the fields to blame), Busy, or that systemd did not do its part.
    """

    def __init__(
        self,
        place: AppPlace,
        systemctl: Systemctl,
        host_check: HostCheck,
        path_check: PathCheck,
        port_holder: PortHolder = holds_port,
    ) -> None:
        super().__init__(place, systemctl)
        self._checks = AppChecks(self.files, systemctl, host_check, path_check, port_holder)

    def check(self, document: Document, keep_environment: bool = False) -> tuple[list[FieldProblem], Optional[str]]:
        """Return every problem with an app on this host, and its interpreter if it was found. Writes nothing."""
        return self._checks.check(document, keep_environment)

    def install_unit(self, document: Document, keep_environment: bool = False) -> dict[str, Any]:
        """Check the app, write its environment and unit, reload. The version before is kept until forget_previous."""
        with self.working_on(document.get("name")) as name:
            problems, interpreter = self.check(document, keep_environment)
            if problems or interpreter is None:
                raise Refused("The app can't be installed as it is described.", "Correct the fields.", problems)
            self.refuse_foreign(name)
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

    def act(self, verb: UnitVerb, name: object) -> Finished:
        """Have systemd do something with an app's unit and return how systemctl ended: a non-zero exit is data.

        Start and restart look again at who could have changed what will run, and clear the count of failed starts.
        Stop and disable need no unit file: a hand may have taken it while the app runs. Nor do they need that what was
        interrupted can be finished.
        """
        with self.working_on(name, needs_whole=verb not in ENDING) as known:
            if verb in ENDING and self.files.state(known) is UnitFileState.MISSING:
                return self._end_without_file(verb, known)
            if self.files.state(known) not in OURS:
                self.refuse_foreign(known)
                raise Refused(f"There is no app {known} of D8's here.", "Register it first.")
            if verb in (UnitVerb.START, UnitVerb.RESTART):
                self._checks.refuse_what_may_not_start(known)
                self.systemctl.act(UnitVerb.RESET_FAILED, unit_name(known))
            return self.systemctl.act(verb, unit_name(known))

    def _end_without_file(self, verb: UnitVerb, name: str) -> Finished:
        self.refuse_foreign(name)
        if verb is UnitVerb.DISABLE:  # systemctl does not know a unit without a file, the link would start it again
            self.place.boot_link(name).unlink(missing_ok=True)
        return self.systemctl.act(verb, unit_name(name))

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
            self.finish(name)
            raise

    def _placement(self, name: str, interpreter: str) -> Placement:
        return Placement(
            is_user=self.place.is_user,
            environment_file=str(self.place.environment(name)),
            interpreter=interpreter,
            boot_target=self.place.boot_target,
        )
