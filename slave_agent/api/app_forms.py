"""The bodies of calls about apps, and the form of their answers.

What a field may hold is decided by the grammar that root's helper uses too (systemd/service_config.py); the forms
here say it to whoever reads the OpenAPI.
"""

from __future__ import annotations

from typing import Any

from marshmallow import INCLUDE, fields, validate

from slave_agent.api.dto import Form
from slave_agent.errors import HttpProblem
from slave_agent.models import JsonObject
from slave_agent.orchestrator.editor import EditOrder
from slave_agent.orchestrator.errors import WrongFields
from slave_agent.states import AppState
from slave_agent.systemd.document_rules import ALIASES, FieldProblem, renamed
from slave_agent.systemd.states import AppKind, Hardening, RestartPolicy, UnitState

_SWITCHES = ("restart_now", "dry_run")
_NOT_AN_OBJECT = ("the body must be one JSON object", "Send an object with the documented fields.")


def _one_of(kinds: Any) -> validate.OneOf:
    return validate.OneOf([kind.value for kind in kinds])


class AppForm(Form):
    """What describes an app. `script` is a path (node, python), npm's script, a module, or module:attribute."""

    name = fields.String(required=True, validate=validate.Regexp(r"^[a-z][a-z0-9_-]{0,47}$"))
    kind = fields.String(required=True, validate=_one_of(AppKind))
    script = fields.String(required=True)
    user = fields.String(required=True)
    working_dir = fields.String(required=True, validate=validate.Regexp("^/"))
    environment = fields.Dict(fields.String(), fields.String())
    arguments = fields.List(fields.String(), validate=validate.Length(max=100))
    interpreter = fields.String(allow_none=True)
    host = fields.String(allow_none=True)
    port = fields.Integer(allow_none=True, strict=True, validate=validate.Range(1, 65535))
    restart = fields.String(validate=_one_of(RestartPolicy))
    memory_bytes = fields.Integer(allow_none=True, strict=True)
    cpu_percent = fields.Integer(allow_none=True, strict=True)
    tasks = fields.Integer(allow_none=True, strict=True)
    hardening = fields.String(validate=_one_of(Hardening))
    after = fields.List(fields.String())
    wants = fields.List(fields.String())
    description = fields.String()
    stabilisation_seconds = fields.Float()


class AppPatchForm(Form):
    """What shall change of an app. `restart` true starts it again, a text is the new restart policy."""

    class Meta:
        """Its other fields are those of AppForm."""

        unknown = INCLUDE

    environment = fields.Dict(fields.String(), fields.String(allow_none=True))
    restart = fields.Raw()
    restart_now = fields.Boolean()
    dry_run = fields.Boolean()


class AppStatusForm(Form):
    """How an app fares."""

    name = fields.String(required=True)
    kind = fields.String(required=True)
    user = fields.String(required=True)
    unit = fields.String(required=True)
    status = fields.String(required=True, validate=_one_of(AppState))
    state = fields.String(required=True, validate=_one_of(UnitState))
    sub_state = fields.String(required=True)
    pid = fields.Integer(required=True, allow_none=True)
    cpu_percent = fields.Float(required=True, allow_none=True)
    memory_bytes = fields.Integer(required=True, allow_none=True)
    restarts = fields.Integer(required=True)
    since = fields.String(required=True, allow_none=True)
    enabled = fields.Boolean(required=True)
    exit_code = fields.Integer(required=True, allow_none=True)
    signal = fields.String(required=True, allow_none=True)
    result = fields.String(required=True)
    port = fields.Integer(required=True, allow_none=True)
    problem = fields.String(required=True, allow_none=True)


class AppStatusWithLogForm(AppStatusForm):
    """How an app fares, and its last lines."""

    log = fields.List(fields.String(), required=True)


class AppListForm(Form):
    """Every app."""

    apps = fields.List(fields.Nested(AppStatusForm), required=True)


class AppDetailForm(Form):
    """An app and how it is configured; of its environment only the names."""

    app = fields.Nested(AppStatusForm, required=True)
    config = fields.Dict(required=True)
    environment_names = fields.List(fields.String(), required=True)
    exposure = fields.Float(required=True, allow_none=True)


class ChangeForm(Form):
    """A field before and after."""

    field = fields.String(required=True)
    before = fields.Raw(required=True, allow_none=True)
    after = fields.Raw(required=True, allow_none=True)


class EditedForm(Form):
    """What became of a change."""

    app = fields.Nested(AppStatusForm, required=True)
    changes = fields.List(fields.Nested(ChangeForm), required=True)
    restarted = fields.Boolean(required=True)
    needs_restart = fields.Boolean(required=True)


class RemovedForm(Form):
    """An app that is gone."""

    removed = fields.String(required=True)


def registration(document: Any) -> JsonObject:
    """Given the body of register, return it in the words of the grammar, which checks the rest. Raises HttpProblem 422
    for what is no object, WrongFields for a field that is given under both its names.
    """
    if not isinstance(document, dict):
        raise HttpProblem(422, *_NOT_AN_OBJECT)
    twice = [also for also, name in ALIASES.items() if also in document and name in document]
    if twice:
        raise WrongFields([FieldProblem(ALIASES[also], f"was given as {also} too", "Send one.") for also in twice])
    return renamed(document)


def edit_order(document: Any) -> EditOrder:
    """Given the body of a change, return what is ordered. Raises HttpProblem 422, WrongFields."""
    values = registration(document)
    not_switched = [name for name in _SWITCHES if not isinstance(values.get(name, False), bool)]
    wrong = [FieldProblem(name, "must be true or false") for name in not_switched]
    if wrong:
        raise WrongFields(wrong)
    is_restart_wanted = values.pop("restart_now", False)
    if isinstance(values.get("restart"), bool):  # a text is the policy
        is_restart_wanted = values.pop("restart") or is_restart_wanted
    return EditOrder(values, is_restart_wanted, is_dry_run=values.pop("dry_run", False))
