"""The document of an app: what each field may hold, everything wrong told at once, and back to a document."""

from __future__ import annotations

from typing import Any

import pytest

from slave_agent.systemd.errors import InvalidConfig
from slave_agent.systemd.service_config import app_name_of, config_from, document_of, problems_in, unit_name
from slave_agent.systemd.states import AppKind, Hardening, RestartPolicy
from tests.support.naughty import PLAIN

GIB = 2**30
GOOD: list[dict[str, Any]] = [
    {"name": "a"},
    {"name": "shop-api_2"},
    {"name": "a" * 48},
    {"kind": "npm", "script": "start:prod"},
    {"kind": "module", "script": "shop.worker"},
    {"kind": "fastapi", "script": "shop.main:factory.app"},
    {"user": "first.last"},
    {"user": "_apt"},
    {"working_dir": "/"},
    {"working_dir": "/srv/my app/año"},
    {"environment": {}},
    {"environment": {"A_1": "", "_b": "x" * 30_000}},
    {"arguments": []},
    {"arguments": ["--port", "$PORT", ""]},
    {"arguments": ["x"] * 100},
    {"interpreter": None},
    {"interpreter": "/opt/node 22/bin/node"},
    {"host": "0.0.0.0"},
    {"host": "::1"},
    {"host": "localhost"},
    {"port": 1},
    {"port": 65535},
    {"port": None},
    {"restart": "always"},
    {"memory_bytes": 64 * 1024 * 1024},
    {"memory_bytes": GIB},
    {"cpu_percent": 250},
    {"tasks": 1},
    {"hardening": "off"},
    {"after": ["postgresql.service", "dev-sda1.device"]},
    {"wants": ["getty@tty1.service"]},
    {"description": "The shop's API (100 %)"},
    {"stabilisation_seconds": 0},
    {"stabilisation_seconds": 0.5},
    {"port": 8000, "environment": {"PORT": "8000"}},
]
BAD: list[tuple[str, dict[str, Any]]] = [
    ("name", {"name": "Shop"}),
    ("name", {"name": ""}),
    ("name", {"name": "1shop"}),
    ("name", {"name": "-shop"}),
    ("name", {"name": "a" * 49}),
    ("name", {"name": "shop\n"}),
    ("name", {"name": "é"}),
    ("name", {"name": 7}),
    ("name", {"name": None}),
    ("kind", {"kind": "ruby"}),
    ("kind", {"kind": ["node"]}),
    ("script", {"script": "main.py"}),
    ("script", {"kind": "npm", "script": "-x"}),
    ("script", {"kind": "module", "script": "a..b"}),
    ("script", {"kind": "module", "script": "/srv/a.py"}),
    ("script", {"kind": "fastapi", "script": "main"}),
    ("script", {"kind": "fastapi", "script": "main:app --reload"}),
    ("user", {"user": "root"}),
    ("user", {"user": "0"}),
    ("user", {"user": "a:b"}),
    ("working_dir", {"working_dir": "srv"}),
    ("working_dir", {"working_dir": "~/shop"}),
    ("working_dir", {"working_dir": "/srv/"}),
    ("working_dir", {"working_dir": "/srv/../etc"}),
    ("working_dir", {"working_dir": "/srv/shop\\"}),
    ("working_dir", {"working_dir": "/" + "a" * 2000}),
    ("environment", {"environment": None}),
    ("environment", {"environment": ["A=b"]}),
    ("environment", {"environment": {"1A": "b"}}),
    ("environment", {"environment": {"A-B": "b"}}),
    ("environment", {"environment": {"A": 1}}),
    ("environment", {"environment": {"A": "line\nline"}}),
    ("environment", {"environment": {f"A{n}": "" for n in range(201)}}),
    ("environment", {"environment": {f"A{n}": "x" * 400 for n in range(100)}}),
    ("arguments", {"arguments": "--x"}),
    ("arguments", {"arguments": [1]}),
    ("arguments", {"arguments": ["x"] * 101}),
    ("arguments", {"arguments": ["x" * 4097]}),
    ("arguments", {"arguments": ["x" * 4000] * 10}),
    ("arguments", {"kind": "npm", "script": "start", "arguments": ["$(id)"]}),
    ("interpreter", {"interpreter": "node"}),
    ("interpreter", {"interpreter": "/opt/bob's/node"}),
    ("host", {"host": "a b"}),
    ("host", {"host": "fe80::1%eth0"}),
    ("host", {"host": ""}),
    ("port", {"port": 0}),
    ("port", {"port": 65536}),
    ("port", {"port": "80"}),
    ("port", {"port": True}),
    ("port", {"port": 80.0}),
    ("port", {"port": 8000, "environment": {"PORT": "8001"}}),
    ("restart", {"restart": "sometimes"}),
    ("memory_bytes", {"memory_bytes": 1000}),
    ("memory_bytes", {"memory_bytes": "512M"}),
    ("cpu_percent", {"cpu_percent": 0}),
    ("tasks", {"tasks": -1}),
    ("hardening", {"hardening": "none"}),
    ("after", {"after": ["postgresql"]}),
    ("after", {"after": "postgresql.service"}),
    ("after", {"after": ["a.service", "a.service"]}),
    ("after", {"after": ["d8-app-naughty.service"]}),
    ("wants", {"wants": ["*.service"]}),
    ("wants", {"wants": ["getty@.service"]}),
    ("after", {"after": ["getty@.service"]}),
    ("wants", {"wants": [f"a{n}.service" for n in range(21)]}),
    ("description", {"description": " x"}),
    ("description", {"description": "x\\"}),
    ("description", {"description": "x" * 201}),
    ("stabilisation_seconds", {"stabilisation_seconds": -1}),
    ("stabilisation_seconds", {"stabilisation_seconds": float("nan")}),
    ("stabilisation_seconds", {"stabilisation_seconds": float("inf")}),
    ("stabilisation_seconds", {"stabilisation_seconds": 31}),
    ("colour", {"colour": "red"}),
    ("app_name", {"app_name": "shop"}),
]


@pytest.mark.parametrize("changes", GOOD, ids=str)
def test_what_an_app_may_hold(changes: dict[str, Any]) -> None:
    document = {**PLAIN, **changes}
    assert problems_in(document) == []
    config = config_from(document)
    assert problems_in(document_of(config, with_environment=True)) == []
    assert config_from(document_of(config, with_environment=True)) == config


@pytest.mark.parametrize(("field", "changes"), BAD, ids=lambda value: str(value)[:60])
def test_what_an_app_may_not_hold(field: str, changes: dict[str, Any]) -> None:
    found = problems_in({**PLAIN, **changes})
    assert [problem.field for problem in found] == [field]
    assert found[0].message and found[0].hint
    with pytest.raises(InvalidConfig) as raised:
        config_from({**PLAIN, **changes})
    assert list(raised.value.problems) == found


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = problems_in({"name": "X", "kind": "node", "script": "x", "port": -1, "after": [""], "colour": 1})
    assert {problem.field for problem in found} == {
        "name", "script", "user", "working_dir", "port", "after", "colour"
    }  # fmt: skip


def test_every_wrong_variable_is_told_without_its_value() -> None:
    environment = {"BAD NAME": "planted-1", "GOOD": "1", "NUL": "planted-2\0", "NUMBER": 4711}
    [problem] = problems_in(PLAIN | {"environment": environment})
    assert all(name in problem.message for name in ("BAD NAME", "NUL: ", "NUMBER: "))
    assert "GOOD" not in problem.message
    assert "planted" not in problem.message and "4711" not in problem.message


@pytest.mark.parametrize("document", [None, [], "x", 1])
def test_what_is_no_object_is_no_app(document: Any) -> None:
    assert [problem.message for problem in problems_in(document)] == ["not a JSON object"]


def test_the_missions_words_are_fields_too() -> None:
    document = {"app_name": "shop", "script_path": "/srv/shop.js", "kind": "node", "user": "pi", "working_dir": "/srv"}
    config = config_from(document)
    assert (config.name, config.script) == ("shop", "/srv/shop.js")


def test_no_secret_is_shown() -> None:
    secret = "s3cret\nvalue"
    found = problems_in({**PLAIN, "environment": {"TOKEN": secret}})
    assert "s3cret" not in str(found) and "TOKEN" in found[0].message
    config = config_from({**PLAIN, "environment": {"TOKEN": "s3cret"}})
    assert "s3cret" not in repr(config) and "s3cret" not in str(document_of(config))


def test_what_is_left_out_has_its_value() -> None:
    config = config_from(PLAIN)
    assert (config.kind, config.restart, config.hardening) == (
        AppKind.PYTHON, RestartPolicy.ON_FAILURE, Hardening.STANDARD
    )  # fmt: skip
    assert (config.arguments, config.environment, config.port, config.stabilisation_seconds) == ((), {}, None, 3.0)


@pytest.mark.parametrize(
    ("unit", "name"),
    [
        ("d8-app-shop.service", "shop"),
        ("d8-app-.service", None),
        ("d8-app-Shop.service", None),
        ("d8-app-shop.timer", None),
        ("d8-agent.service", None),
        ("shop", None),
        ("", None),
    ],
)
def test_units_and_names(unit: str, name: str | None) -> None:
    assert app_name_of(unit) == name
    assert name is None or unit_name(name) == unit
