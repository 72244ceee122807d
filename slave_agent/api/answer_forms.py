"""The form of what the agent takes and answers besides apps, for the OpenAPI. Bodies that have readers of their own
(execute, jobs) are described here and checked there.
"""

from __future__ import annotations

from marshmallow import INCLUDE, fields, validate

from slave_agent.api.dto import Form
from slave_agent.bootstrap.output_query import LARGEST_OFFSET, LARGEST_WINDOW_BYTES, LONGEST_WAIT_SECONDS


class AnyForm(Form):
    """An object whose fields are described in the documentation."""

    class Meta:
        """More fields than are named here."""

        unknown = INCLUDE


class FieldProblemForm(Form):
    """One wrong field."""

    field = fields.String(required=True)
    message = fields.String(required=True)
    hint = fields.String(required=True)


class ProblemForm(AnyForm):
    """An error as RFC 9457 has it, with a hint for the operator. The last members only where they belong."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    hint = fields.String(required=True)
    problems = fields.List(fields.Nested(FieldProblemForm))
    exit_code = fields.Integer(allow_none=True)
    signal = fields.String(allow_none=True)
    result = fields.String()
    restarts = fields.Integer()
    log = fields.List(fields.String())
    restored = fields.Boolean()


class HealthForm(AnyForm):
    """The short answer of health."""

    status = fields.String(required=True)
    mode = fields.String(required=True)
    version = fields.String(required=True)
    commit = fields.String(required=True, allow_none=True)


class VersionForm(AnyForm):
    """Which agent this is."""

    version = fields.String(required=True)
    commit = fields.String(required=True, allow_none=True)
    branch = fields.String(required=True, allow_none=True)
    python = fields.String(required=True)
    mode = fields.String(required=True)


class AcceptedForm(Form):
    """What was begun and happens after the answer."""

    accepted = fields.Boolean(required=True)


class ExecuteForm(Form):
    """A command to run."""

    command = fields.String(required=True)
    working_dir = fields.String(allow_none=True)
    timeout = fields.Float(allow_none=True)
    stdin = fields.String(allow_none=True)
    env = fields.Dict(fields.String(), fields.String(), allow_none=True)
    id = fields.String(allow_none=True, validate=validate.Regexp("^[A-Za-z0-9_-]{1,64}$"))
    wait = fields.Boolean(allow_none=True)


class ResultForm(AnyForm):
    """How a command ended."""

    success = fields.Boolean(required=True)
    stdout = fields.String(required=True)
    stderr = fields.String(required=True)
    exit_code = fields.Integer(required=True, allow_none=True)


class JobForm(AnyForm):
    """A command that runs or ran."""

    id = fields.String(required=True)
    state = fields.String(required=True)


class JobQueryForm(Form):
    """Which part of a command's output is wanted."""

    offset = fields.Integer(validate=validate.Range(0, LARGEST_OFFSET))
    stderr_offset = fields.Integer(validate=validate.Range(0, LARGEST_OFFSET))
    limit = fields.Integer(validate=validate.Range(1, LARGEST_WINDOW_BYTES))
    wait = fields.Float(validate=validate.Range(0, LONGEST_WAIT_SECONDS))
