from __future__ import annotations

import re
from pathlib import Path

import pytest

from slave_agent.app import create_app, route_table
from slave_agent.routes import Route, RouteTable
from slave_agent.services import Services
from slave_agent.states import Right
from tests.support.unwired import unwired_services

TABLE = RouteTable(
    [
        Route("GET", "/api/jobs/<job_id>", Right.EXECUTE),
        Route("POST", "/api/jobs/<job_id>/cancel", Right.EXECUTE),
        Route("GET", "/api/health", Right.NONE),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "rule"),
    [
        ("GET", "/api/jobs/a-1", "/api/jobs/<job_id>"),
        ("POST", "/api/jobs/a-1/cancel", "/api/jobs/<job_id>/cancel"),
        ("GET", "/api/health", "/api/health"),
        ("HEAD", "/api/health", "/api/health"),
    ],
)
def test_a_path_finds_its_route(method: str, path: str, rule: str) -> None:
    route, _, _ = TABLE.find(method, path)
    assert route is not None
    assert route.rule == rule


@pytest.mark.parametrize(
    "path", ["/", "/api/health/", "/api/health\n", "//api/health", "/api/jobs/", "/api/jobs/a/b", "/API/health", ""]
)
def test_other_paths_find_none(path: str) -> None:
    assert TABLE.find("GET", path) == (None, {}, frozenset())


def test_a_wrong_method_hears_of_the_right_ones() -> None:
    assert TABLE.find("DELETE", "/api/health") == (None, {}, frozenset({"GET"}))


def test_values_in_the_path_are_found() -> None:
    assert TABLE.find("GET", "/api/jobs/a%2F1")[1] == {"job_id": "a%2F1"}


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return unwired_services(tmp_path)


def test_flask_and_the_table_know_the_same_routes(services: Services) -> None:
    flask = {
        (method, rule.rule)
        for rule in create_app(services).url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    table = {
        (route.method, route.rule) for route in route_table(services).routes if not (route.handler or route.on_socket)
    }
    assert flask == table


def test_only_health_the_login_and_its_files_are_open_and_the_webhook_which_has_a_secret_of_its_own(
    services: Services,
) -> None:
    routes = route_table(services).routes
    static = {route.rule for route in routes if route.rule.startswith("/static/")}
    assert all(re.compile(r"/static/[a-z_]+\.(js|css|svg)\Z").match(rule) for rule in static)
    open_routes = {(route.method, route.rule) for route in routes if route.right is Right.NONE}
    assert open_routes == {
        ("GET", "/api/health"),
        ("POST", "/webhook/command"),
        ("GET", "/login"),
        ("POST", "/login"),
        *(("GET", rule) for rule in static),
    }
    assert len({(route.method, route.rule) for route in routes}) == len(routes)


def test_what_is_not_the_panels_is_the_apis(services: Services) -> None:
    routes = route_table(services).routes
    panel = {route.rule for route in routes if route.is_panel and not route.rule.startswith("/static/")}
    assert panel == {"/", "/apps", "/audit", "/login", "/logout"}
    rest = [route.rule for route in routes if not route.is_panel]
    assert all(re.compile(r"/(api/|logs/|webhook/|metrics\Z)").match(rule) for rule in rest)
