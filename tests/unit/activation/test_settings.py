"""What `install` accepts, and that it names every problem at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from slave_agent.activation.errors import ActivationError
from slave_agent.activation.settings import parse_install_settings
from slave_agent.activation.states import Scope

PEM = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"


def document(**changes: Any) -> str:
    values: dict[str, Any] = {
        "scope": "system",
        "port": 7600,
        "bind": "0.0.0.0",
        "slave_id": "slave-192-168-4-25",
        "tls": True,
        "release": "/opt/d8-agent/releases/" + "a" * 40,
        "commit": "a" * 40,
        "branch": "main",
        "bootstrap": {
            "user": "pi",
            "config": "/home/pi/d8_slave/config.json",
            "server": "/s/slave_server.py",
            "pid": 7,
        },
        "rescue": {"token_sha256": "b" * 64, "certificate": PEM, "private_key": "key"},
        "confirm_timeout_seconds": 60,
        "allowed_hosts": ["pi.local"],
        "language": "es",
    }
    return json.dumps({**values, **changes})


def test_the_whole_form() -> None:
    settings = parse_install_settings(document())
    assert settings.scope is Scope.SYSTEM and settings.bootstrap.pid == 7
    assert settings.confirm_timeout_seconds == 60 and settings.step_delay_seconds == 0
    assert settings.allowed_hosts == ("pi.local",) and settings.credential is None


def test_no_scope_means_choose_one() -> None:
    assert parse_install_settings(document(scope="auto")).scope is None


def test_without_tls_no_certificates_are_needed() -> None:
    rescue = {"token_sha256": "b" * 64, "certificate": None, "private_key": None}
    assert parse_install_settings(document(tls=False, rescue=rescue)).rescue.certificate is None


def test_secrets_are_not_shown_by_repr() -> None:
    assert "private_key" not in repr(parse_install_settings(document()).rescue)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"scope": "docker"}, "scope:"),
        ({"port": 0}, "port:"),
        ({"port": True}, "port:"),
        ({"bind": "0.0.0.0\nx"}, "bind:"),
        ({"bind": "example.org"}, "bind:"),
        ({"slave_id": "../x"}, "slave_id:"),
        ({"slave_id": "a\n"}, "slave_id:"),
        ({"commit": "main"}, "commit:"),
        ({"release": "opt"}, "release:"),
        ({"bootstrap": {"user": "pi; id", "config": "/c", "server": "/s"}}, "bootstrap.user:"),
        ({"bootstrap": {"user": "pi", "config": "c", "server": "/s"}}, "bootstrap.config:"),
        ({"bootstrap": {"user": "pi", "config": "/c", "server": "/s", "pid": "7"}}, "bootstrap.pid:"),
        ({"bootstrap": []}, "bootstrap:"),
        ({"rescue": {"token_sha256": "short", "certificate": PEM, "private_key": "k"}}, "rescue.token_sha256:"),
        ({"rescue": {"token_sha256": "b" * 64}}, "rescue.certificate: missing"),
        ({"confirm_timeout_seconds": 1}, "confirm_timeout_seconds:"),
        ({"step_delay_seconds": -1}, "step_delay_seconds:"),
        ({"allowed_hosts": "pi"}, "allowed_hosts:"),
        ({"allowed_hosts": ["a b"]}, "allowed_hosts:"),
        ({"language": "de"}, "language:"),
        ({"tls": "yes"}, "tls:"),
        ({"surprise": 1}, "surprise: unknown"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ActivationError) as caught:
        parse_install_settings(document(**changes))
    assert problem in caught.value.message


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(ActivationError) as caught:
        parse_install_settings(document(port=0, commit="x", language="de"))
    assert all(name in caught.value.message for name in ("port:", "commit:", "language:"))


def test_without_a_master_there_is_neither_bootstrap_nor_rescue() -> None:
    settings = parse_install_settings(document(bootstrap=None, rescue=None))
    assert settings.bootstrap is None and settings.rescue is None


@pytest.mark.parametrize("missing", ["bootstrap", "rescue"])
def test_one_of_the_two_alone_is_refused(missing: str) -> None:
    with pytest.raises(ActivationError, match=f"{missing}: must be an object"):
        parse_install_settings(document(**{missing: None}))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '"x"'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ActivationError):
        parse_install_settings(text)
