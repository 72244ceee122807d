"""What clients send, checked as a whole: every wrong field is named at once. Pure.

The body of execute and the query of a job are not here: the bootstrap reads them with the same functions, in
bootstrap/execute_request.py and bootstrap/output_query.py. Those of apps are in app_forms.py.
"""

from __future__ import annotations

import re
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from slave_agent.errors import HttpProblem
from slave_agent.models import Enrolment, JsonObject, OfferedKeyPair

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MISSING = "is missing"


class Form(Schema):
    """What every body has in common: fields that nobody knows are named, and null is as good as missing."""

    error_messages = {"unknown": "is not known"}  # noqa: RUF012  marshmallow's own attribute


class NoFields(Form):
    """The body of a call that takes none."""


class _Text(fields.String):
    """A text that no control character and no half of a character spoils. Given what it must be, in words."""

    def __init__(self, wanted: str, longest: int | None = None, is_one_line: bool = False) -> None:
        super().__init__(
            required=True,
            validate=[validate.Length(1, longest, error=f"must be {wanted}")],
            error_messages={"required": _MISSING, "null": _MISSING, "invalid": f"must be {wanted}"},
        )
        self._wanted = wanted
        self._is_one_line = is_one_line

    def _validate(self, value: str) -> None:
        is_text = bool(value.strip()) and is_utf8(value)
        if not is_text or (self._is_one_line and _CONTROL_CHARACTERS.search(value)):
            raise ValidationError(f"must be {self._wanted}")
        super()._validate(value)


def _pem() -> _Text:
    return _Text("a text that is not empty")


class EnrolmentForm(Form):
    """The body of POST /api/agent/enroll."""

    slave_id = _Text("a name without control characters", 128, is_one_line=True)
    token_sha256 = _pem()
    certificate = _pem()
    private_key = _pem()
    ca_certificate = _pem()
    begins_anew = fields.Boolean(load_default=False, truthy={True}, falsy={False})


class ReleaseForm(Form):
    """The body of POST /api/agent/releases."""

    file = _Text("the name of an uploaded file", 128, is_one_line=True)


class RescueForm(Form):
    """The body of POST /api/agent/rescue."""

    order = _Text("an order that the fleet has signed", 60 * 1024, is_one_line=True)


_KEY_PAIR = ("certificate", "private_key", "ca_certificate")


def enrolment(document: Any, has_tls: bool) -> Enrolment:
    """Given the body of POST /api/agent/enroll and whether the agent speaks TLS, return what is offered.

    Only TLS needs a key pair; without it one is accepted and not kept. Raises HttpProblem 422. What the texts hold is
    checked by the store.
    """
    values = checked(EnrolmentForm(partial=() if has_tls else _KEY_PAIR), document)
    offered = OfferedKeyPair(**{name: values[name] for name in _KEY_PAIR}) if has_tls else None
    return Enrolment(values["slave_id"], values["token_sha256"], offered, values["begins_anew"])


def release_file(document: Any) -> str:
    """Given the body of POST /api/agent/releases, return the name of the uploaded file. Raises HttpProblem 422."""
    return str(checked(ReleaseForm(), document)["file"])


def rescue_order(document: Any) -> str:
    """Given the body of POST /api/agent/rescue, return the signed order. Raises HttpProblem 422."""
    return str(checked(RescueForm(), document)["order"])


def nothing(document: Any) -> None:
    """Given the body of a call that takes no field, accept it. Raises HttpProblem 422 if there is one."""
    checked(NoFields(), document)


def checked(form: Schema, document: Any) -> JsonObject:
    """Given a form and a body, return the fields. Raises HttpProblem 422 with every problem."""
    if not isinstance(document, dict):
        raise HttpProblem(422, "the body must be one JSON object", "Send an object with the documented fields.")
    try:
        given = {name: value for name, value in document.items() if value is not None or name not in form.fields}
        values: JsonObject = form.load(given)
    except ValidationError as error:
        told = [f"{name} {text}" for name, texts in sorted(error.messages_dict.items()) for text in texts]
        raise HttpProblem(422, "; ".join(told), "Mend these fields and send the request again.") from error
    return values


def is_utf8(text: str) -> bool:
    """JSON can hold halves of characters (lone surrogates), which no file and no process can."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
