from __future__ import annotations

import pytest

from slave_agent.api.dto import enrolment, nothing
from slave_agent.api.exchange import parse_json, refuse_other_content
from slave_agent.errors import HttpProblem
from slave_agent.models import Enrolment, OfferedKeyPair

ENROLMENT = {
    "slave_id": "slave-1",
    "token_sha256": "ab" * 32,
    "certificate": "PEM",
    "private_key": "PEM",
    "ca_certificate": "PEM",
}


def test_an_enrolment_is_read() -> None:
    assert enrolment(ENROLMENT, has_tls=True) == Enrolment("slave-1", "ab" * 32, OfferedKeyPair("PEM", "PEM", "PEM"))


@pytest.mark.parametrize("name", ["certificate", "private_key", "ca_certificate"])
def test_tls_needs_a_key_pair_and_plain_http_does_not(name: str) -> None:
    with pytest.raises(HttpProblem, match=rf"^{name} is missing\n"):
        enrolment(ENROLMENT | {name: None}, has_tls=True)
    assert enrolment(ENROLMENT | {name: None}, has_tls=False) == Enrolment("slave-1", "ab" * 32, None)


def test_without_tls_the_token_is_needed_all_the_same() -> None:
    with pytest.raises(HttpProblem, match="token_sha256 is missing"):
        enrolment({"slave_id": "slave-1"}, has_tls=False)


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(HttpProblem) as failure:
        enrolment({"slave_id": "a\nb", "certificate": 7, "private_key": "", "extra": 1}, has_tls=True)
    assert failure.value.status == 422
    for name in ("slave_id", "certificate", "private_key", "extra", "ca_certificate", "token_sha256"):
        assert name in failure.value.message


@pytest.mark.parametrize("document", [None, [], "x", 7, ENROLMENT | {"certificate": "\ud800"}])
def test_what_is_no_enrolment_is_refused(document: object) -> None:
    with pytest.raises(HttpProblem) as failure:
        enrolment(document, has_tls=True)
    assert failure.value.status == 422


def test_a_call_without_fields_takes_none() -> None:
    nothing({})
    with pytest.raises(HttpProblem, match="force"):
        nothing({"force": True})


@pytest.mark.parametrize("body", [b"{", b"\xff", b"{'a': 1}", b"[" * 100000, b"nul"])
def test_what_is_not_json_is_told(body: bytes) -> None:
    with pytest.raises(HttpProblem) as failure:
        parse_json(body)
    assert failure.value.status == 400


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}"])
def test_no_body_is_an_empty_object(body: bytes) -> None:
    assert parse_json(body) == {}


@pytest.mark.parametrize("kind", ["", "application/json", "Application/JSON; charset=utf-8"])
def test_json_is_taken(kind: str) -> None:
    refuse_other_content(kind)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_what_a_form_can_send_is_refused(kind: str) -> None:
    with pytest.raises(HttpProblem) as failure:
        refuse_other_content(kind)
    assert failure.value.status == 415
