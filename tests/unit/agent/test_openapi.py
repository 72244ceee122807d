from __future__ import annotations

import json
import re

import pytest

from slave_agent.api.openapi import openapi_document
from slave_agent.api.operations import OPERATIONS
from slave_agent.app import route_table
from slave_agent.routes import Route, RouteTable
from slave_agent.services import Services
from slave_agent.states import Right
from slave_agent.systemd.document_rules import FIELDS
from tests.support.unwired import unwired_services


@pytest.fixture
def table(tmp_path) -> RouteTable:
    services: Services = unwired_services(tmp_path)
    return route_table(services)


def test_every_route_is_told_in_the_openapi_and_nothing_else(table: RouteTable) -> None:
    assert {(route.method, route.rule) for route in table.routes if not route.is_panel} == OPERATIONS.keys()
    assert all(operation.summary for operation in OPERATIONS.values())


def test_the_document_has_every_path_with_its_parameters_and_right(table: RouteTable) -> None:
    document = json.loads(json.dumps(openapi_document(table.routes)))
    assert document["openapi"].startswith("3.")
    assert len(document["paths"]) == len({route.rule for route in table.routes if not route.is_panel})
    for path, operations in document["paths"].items():
        for operation in operations.values():
            named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
            assert named == set(re.findall(r"{([a-z_]+)}", path))
            assert "401" in operation["responses"]
    assert document["paths"]["/api/apps/{name}"]["delete"]["x-right"] == "operate"
    assert document["paths"]["/api/health"]["get"]["security"] == [{}, {"token": []}]
    ids = [each["operationId"] for operations in document["paths"].values() for each in operations.values()]
    assert len(set(ids)) == len(ids)


def test_an_app_has_the_fields_of_the_grammar(table: RouteTable) -> None:
    document = openapi_document(table.routes)
    assert document["components"]["schemas"]["App"]["properties"].keys() == set(FIELDS)


def test_a_route_that_nobody_described_is_there_all_the_same() -> None:
    document = openapi_document([Route("GET", "/api/new", Right.READ)])
    assert "get" in document["paths"]["/api/new"]


@pytest.mark.parametrize(
    ("path", "parameters"),
    [("/api/events", {"after", "limit"}), ("/api/audit", {"after", "before", "limit"})],
)
def test_lists_tell_how_they_are_paged(table: RouteTable, path: str, parameters: set[str]) -> None:
    operation = openapi_document(table.routes)["paths"][path]["get"]
    assert {one["name"] for one in operation["parameters"]} == parameters
