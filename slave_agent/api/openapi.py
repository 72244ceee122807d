"""GET /api/openapi.json: every route, made from the table of routes and the table of what is told of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema

import slave_agent
from slave_agent.api.answer_forms import ProblemForm
from slave_agent.api.exchange import Exchange
from slave_agent.api.operations import OPERATIONS, Operation
from slave_agent.api.problems import PROBLEM_TYPE, Reply, json_reply
from slave_agent.models import JsonObject
from slave_agent.routes import SMALL_BODY_BYTES, WEBSOCKET, Route
from slave_agent.states import Right

_PLACEHOLDER = re.compile(r"<([a-z_]+)>")
_APP_NAME = "^[a-z][a-z0-9_-]{0,47}$"
_WITH_A_TOKEN = (401, 403, 429)
_WITH_A_BODY = (400, 408, 413, 415)
_UNDOCUMENTED = Operation("")


class OpenApi:
    """Given the routes, as they are once all are known."""

    def __init__(self, routes: Callable[[], Iterable[Route]]) -> None:
        self._routes = routes

    async def answer(self, exchange: Exchange) -> None:
        """GET /api/openapi.json."""
        await exchange.body(SMALL_BODY_BYTES)
        await exchange.send(self._reply)

    @cached_property
    def _reply(self) -> Reply:
        return json_reply(200, openapi_document(self._routes()))


def openapi_document(routes: Iterable[Route]) -> JsonObject:
    """Given the routes, return the OpenAPI document; the panel's pages are for browsers and not in it. Pure."""
    spec = APISpec(
        title="D8 agent",
        version=slave_agent.__version__,
        openapi_version="3.0.3",
        plugins=[MarshmallowPlugin(schema_name_resolver=_name_of)],
        info={"description": "Errors are application/problem+json with a hint for the operator."},
        security=[{"token": []}],
    )
    spec.components.security_scheme("token", {"type": "http", "scheme": "bearer"})
    for route in routes:
        if route.is_panel:
            continue
        operation = OPERATIONS.get((route.method, route.rule), _UNDOCUMENTED)
        method = "get" if route.method == WEBSOCKET else route.method.lower()
        path = _PLACEHOLDER.sub(r"{\1}", route.rule)
        spec.path(path=path, operations={method: _operation(route, operation)})
    document: JsonObject = spec.to_dict()
    return document


def _operation(route: Route, operation: Operation) -> JsonObject:
    described: JsonObject = {
        "summary": operation.summary,
        "operationId": _operation_id(route),
        "parameters": [*_path_parameters(route), *_header_parameters(operation)],
        "responses": _responses(route, operation),
    }
    if route.method == WEBSOCKET:
        described["x-websocket"] = True
    if operation.query is not None:
        described["parameters"].append({"in": "query", "schema": operation.query})
    if operation.body is not None:
        schema: Any = operation.body
        if operation.body_type != "application/json":
            schema = {"type": "string", "format": "binary"}
        described["requestBody"] = {"content": {operation.body_type: {"schema": schema}}, "required": True}
    if route.right is Right.NONE:
        described["security"] = [{}, {"token": []}]
    else:
        described["x-right"] = route.right.value
    return described


def _responses(route: Route, operation: Operation) -> JsonObject:
    schema: Any = operation.answer if operation.media_type == "application/json" else {"type": "string"}
    found: JsonObject = {
        str(operation.status): {"description": "Done", "content": {operation.media_type: {"schema": schema}}}
    }
    statuses = {*operation.problems, *_WITH_A_TOKEN, *(_WITH_A_BODY if operation.body is not None else ())}
    for status in sorted(statuses):
        found[str(status)] = {"description": "A problem", "content": {PROBLEM_TYPE: {"schema": ProblemForm}}}
    if route.method == WEBSOCKET:
        found["101"] = {"description": "The stream begins"}
    return found


def _path_parameters(route: Route) -> list[JsonObject]:
    names = _PLACEHOLDER.findall(route.rule)
    return [{"in": "path", "name": name, "required": True, "schema": _path_schema(route, name)} for name in names]


def _path_schema(route: Route, name: str) -> JsonObject:
    is_app = name == "name" and route.rule.startswith(("/api/apps/", "/logs/"))
    return {"type": "string", "pattern": _APP_NAME} if is_app else {"type": "string", "minLength": 1}


def _header_parameters(operation: Operation) -> list[JsonObject]:
    return [
        {"in": "header", "name": name, "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in operation.headers.items()
    ]


def _operation_id(route: Route) -> str:
    words = re.findall(r"[a-z]+", route.rule.removeprefix("/api").lower())
    return "_".join(["stream" if route.method == WEBSOCKET else route.method.lower(), *words])


def _name_of(schema: type[Schema] | Schema | str) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return kind.__name__.removesuffix("Form")
