"""Changing an app: planned as a difference, installed, tried on request, put back by itself if it does not stay up."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from slave_agent.errors import AgentError
from slave_agent.models import JsonObject
from slave_agent.orchestrator.app_store import AppRecord, AppStore
from slave_agent.orchestrator.editing import ENVIRONMENT, Change, changes, environment_after, merged
from slave_agent.orchestrator.errors import AgentStops, DidNotStayUp, WrongFields
from slave_agent.orchestrator.lifecycle import Lifecycle
from slave_agent.privilege import Privilege
from slave_agent.states import AppPhase
from slave_agent.systemd.service_config import FieldProblem, config_from, document_of, problems_in
from slave_agent.systemd.states import UnitState

_AT_REST = (UnitState.INACTIVE, UnitState.FAILED, UnitState.NOT_FOUND)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EditOrder:
    """What shall change: fields with their new values; `environment` in them is a patch whose nulls delete."""

    fields: Mapping[str, Any]
    is_restart_wanted: bool = False
    is_dry_run: bool = False


@dataclass(frozen=True)
class Plan:
    """A change that is allowed and possible: the record as it is, the document to install, the record afterwards."""

    before: AppRecord
    to_install: JsonObject
    after: AppRecord
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Edited:
    """What became of a change."""

    changes: tuple[Change, ...]
    is_restarted: bool
    needs_restart: bool


class Editor:
    """Given where records are, who gives orders, and the lifecycle."""

    def __init__(self, store: AppStore, privilege: Privilege, lifecycle: Lifecycle) -> None:
        self._store = store
        self._privilege = privilege
        self._lifecycle = lifecycle

    def plan(self, before: AppRecord, order: EditOrder) -> Plan:
        """Given an app and what shall change, return the plan; nothing is written. Raises WrongFields with every
        problem of grammar and host.
        """
        patch = {} if order.fields.get(ENVIRONMENT) is None else order.fields[ENVIRONMENT]
        to_install = merged(before.document, order.fields)
        if "name" in order.fields and order.fields["name"] != before.name:
            raise WrongFields([FieldProblem("name", "an app keeps its name", "Register it again under the new name.")])
        as_whole = to_install | {ENVIRONMENT: _without_nulls(patch)}
        wrong = problems_in(as_whole)
        if not wrong:
            wrong = list(self._privilege.check(to_install, keep_environment=True).problems)
        if wrong:
            raise WrongFields(wrong)
        after = replace(
            before,
            document=document_of(config_from(as_whole)),
            environment_names=environment_after(before.environment_names, patch),
        )
        found = changes(before.document, after.document, before.environment_names, patch)
        return Plan(before, to_install, after, tuple(found))

    def carry_out(self, plan: Plan, order: EditOrder) -> Edited:
        """Given a plan, do it. Raises DidNotStayUp once the former version is back: `restored` says whether it is."""
        name = plan.before.name
        is_running = self._lifecycle.look(name).state not in _AT_REST
        if order.is_dry_run:
            return Edited(plan.changes, False, bool(plan.changes) and is_running)
        former = plan.before
        self._privilege.forget_previous(name)  # of an older change: a killed agent must not go back to that
        self._store.write(_being_changed(plan, is_running, order.is_restart_wanted))
        has_restarted = False  # perhaps: whatever fails from then on, the process may be of the new version
        try:
            self._privilege.install(plan.to_install, keep_environment=True)
            if order.is_restart_wanted:
                has_restarted = True
                self._lifecycle.restart(plan.after.config)
        except AgentStops:  # no time to go back: what is written down lets the next start do it
            raise
        except BaseException as error:
            restored = self._go_back(former, is_running) if has_restarted else self._put_back(former)
            if isinstance(error, DidNotStayUp):
                error.restored = restored
            raise
        self._store.write(plan.after)
        forget_former(self._privilege, name)
        _log.info("app %s changed: %s", name, ", ".join(change.field for change in plan.changes) or "nothing")
        is_stale = bool(plan.changes) and is_running and not order.is_restart_wanted
        return Edited(plan.changes, order.is_restart_wanted, is_stale)

    def _put_back(self, former: AppRecord) -> bool:
        """Write the former version again: whether it is back. If not, the record says so to the next start."""
        try:
            self._privilege.restore(former.name)
        except AgentError as error:
            _log.error("the former version of %s could not be written again: %s", former.name, error)
            return False
        self._store.write(former)
        return True

    def _go_back(self, former: AppRecord, was_running: bool) -> bool:
        """Have the former version run again, or rest if it rested: whether it does."""
        if not self._put_back(former):
            return False
        try:
            if was_running:
                return self._lifecycle.restart(former.config).state is UnitState.ACTIVE
            self._lifecycle.stop(former.name)
        except AgentError as error:
            _log.error("the former version of %s does not run either: %s", former.name, error)
            return False
        return True


def forget_former(privilege: Privilege, name: str) -> None:
    """Given who gives orders and an app that is good as it is, keep nothing of what was before: secrets that were
    replaced. It is good whether or not this succeeds; then the next change forgets it.
    """
    try:
        privilege.forget_previous(name)
    except AgentError as error:
        _log.error("what %s was before could not be forgotten: %s", name, error)


def _without_nulls(patch: Any) -> Any:
    return {name: value for name, value in patch.items() if value is not None} if isinstance(patch, dict) else patch


def _being_changed(plan: Plan, is_running: bool, is_restart_wanted: bool) -> AppRecord:
    return replace(
        plan.after,
        phase=AppPhase.EDITING,
        former=plan.before.document,
        former_names=plan.before.environment_names,
        former_ran=is_running,
        is_restart_wanted=is_restart_wanted,
    )
