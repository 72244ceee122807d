"""What must hold before an app is installed or started: grammar, its user, the host as that user sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Optional

from slave_agent.systemd.accounts import Account, account_for
from slave_agent.systemd.errors import Refused
from slave_agent.systemd.kept_apps import STOPPED
from slave_agent.systemd.service_config import (
    APP_NAME,
    FieldProblem,
    ServiceConfig,
    app_name_of,
    config_from,
    problems_in,
)
from slave_agent.systemd.service_generator import parse_unit, program_of
from slave_agent.systemd.states import UnitState
from slave_agent.systemd.systemctl import Systemctl
from slave_agent.systemd.unit_files import UnitFiles, UnitFileState

Document = Mapping[str, Any]
# Looks at the host as the app's user: every problem, and the interpreter that was found.
HostCheck = Callable[[ServiceConfig, Account], "tuple[list[FieldProblem], Optional[str]]"]
# Looks, as the app's user, at nothing but who could have changed what will run.
PathCheck = Callable[[ServiceConfig, Account], "list[FieldProblem]"]
# Whether a process of a unit listens on a port.
PortHolder = Callable[[str, int], bool]
# Targets that are there to be wanted; nothing is started by them that an administrator did not ask for.
WANTED_BY_ANYBODY = (
    "network.target",
    "network-online.target",
    "nss-lookup.target",
    "time-sync.target",
    "remote-fs.target",
)


class AppChecks:
    """Given the files of apps, systemctl, the two looks at the host, and who knows what listens."""

    def __init__(
        self,
        files: UnitFiles,
        systemctl: Systemctl,
        host_check: HostCheck,
        path_check: PathCheck,
        holds_port: PortHolder,
    ) -> None:
        self._files, self._systemctl = files, systemctl
        self._host_check, self._path_check = host_check, path_check
        self._holds_port = holds_port

    def check(self, document: Document, keep_environment: bool) -> tuple[list[FieldProblem], Optional[str]]:
        """Return every problem with an app on this host, and its interpreter if it was found."""
        whole = self.whole(document, keep_environment)
        if problems := problems_in(whole):
            return problems, None
        config = config_from(whole)
        account, problem = account_for(self._files.place, config.user)
        if account is None:
            return ([problem] if problem else []), None
        problems, interpreter = self._host_check(self._without_own_port(config), account)
        return [*problems, *self._wanted(config)], interpreter

    def whole(self, document: Document, keep_environment: bool) -> dict[str, Any]:
        """Return the document with the environment that the app will have: a patch is laid over what it has now."""
        whole = dict(document)
        name, patch = whole.get("name"), whole.get("environment", {})
        if keep_environment and isinstance(patch, Mapping) and isinstance(name, str) and APP_NAME.match(name):
            merged = {**self._files.environment(name), **patch}
            whole["environment"] = {key: value for key, value in merged.items() if value is not None}
        return whole

    def refuse_what_may_not_start(self, name: str) -> None:
        """Look again at the user and at who could have changed what will run. Raises Refused with the fields.

        A unit that was changed by hand has been changed by somebody with more rights than we give: his to answer for.
        """
        if self._files.state(name) is not UnitFileState.UNTOUCHED:
            return
        text = self._files.unit_text(name) or ""
        config = replace(parse_unit(text), interpreter=program_of(text))
        account, problem = account_for(self._files.place, config.user)
        problems = self._path_check(config, account) if account is not None else [problem] if problem else []
        if problems:
            raise Refused("The app may not be started.", "Put right what is named.", problems)

    def _without_own_port(self, config: ServiceConfig) -> ServiceConfig:
        """A running app holds its own port, whatever a hand did to its unit: that is no reason against changing it."""
        if config.port is None:
            return config
        status = self._systemctl.show([config.unit]).get(config.unit)
        if status is None or status.state in STOPPED:
            return config
        is_own = self._written_port(config.name) == config.port or self._holds_port(config.unit, config.port)
        return replace(config, port=None) if is_own else config

    def _written_port(self, name: str) -> Optional[int]:
        """The port in the app's unit, if that is as it was written."""
        if self._files.state(name) is not UnitFileState.UNTOUCHED:
            return None
        return parse_unit(self._files.unit_text(name) or "").port

    def _wanted(self, config: ServiceConfig) -> list[FieldProblem]:
        """An app may wait for any unit, but have none started that does not run or start at boot by itself: else it
        could start rescue.target.
        """
        own = [name for name in config.wants if name not in WANTED_BY_ANYBODY and app_name_of(name) is None]
        shown = self._systemctl.show(own) if own else {}
        return [
            FieldProblem("wants", f"{unit} is neither running nor enabled.", f"sudo systemctl enable --now {unit}")
            for unit in own
            if (status := shown.get(unit)) is None or not (status.enabled or status.state is UnitState.ACTIVE)
        ]
