"""Everything that can be wrong with the document of an app, told at once. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from slave_agent.systemd import field_rules as rules
from slave_agent.systemd.names import APP_NAME, unit_name
from slave_agent.systemd.states import AppKind, Hardening, RestartPolicy

ALIASES = MappingProxyType({"app_name": "name", "script_path": "script"})
REQUIRED = ("name", "kind", "script", "user", "working_dir")
NULLABLE = ("interpreter", "host", "port", "memory_bytes", "cpu_percent", "tasks")
_RULES: Mapping[str, tuple[rules.Rule, str]] = {
    "name": (
        rules.matching(APP_NAME, "a small letter and then small letters, digits, `-` or `_` (48 at most)"),
        "Choose a name such as shop or shop-api.",
    ),
    "kind": (rules.one_of(AppKind), "Say how the app is run."),
    "user": (rules.user, "Name an ordinary user of the host."),
    "working_dir": (rules.path, "Name the app's folder as in /srv/shop."),
    "environment": (rules.environment, "What takes more than a line goes into a file that the app reads."),
    "arguments": (rules.arguments, "Give one text for each argument; there is no shell, so quote nothing."),
    "interpreter": (rules.program, "Name the program as in /usr/bin/node, or leave the field out."),
    "host": (rules.host, "Use 127.0.0.1 for this host alone, 0.0.0.0 for everybody."),
    "port": (rules.whole(rules.PORT), "Choose a free port above 1023."),
    "restart": (rules.one_of(RestartPolicy), "Most apps want on-failure."),
    "memory_bytes": (rules.whole(rules.MEMORY_BYTES), "Give bytes: 268435456 are 256 MiB."),
    "cpu_percent": (rules.whole(rules.CPU_PERCENT), "100 is one processor."),
    "tasks": (rules.whole(rules.TASKS), "Count processes and threads."),
    "hardening": (rules.one_of(Hardening), "Most apps run with standard."),
    "after": (rules.units, "Name units as systemctl list-units does."),
    "wants": (rules.units, "Name units as systemctl list-units does."),
    "description": (rules.description, "Describe the app in one line."),
    "stabilisation_seconds": (rules.seconds, "3 is enough for most apps."),
}
FIELDS = frozenset({*_RULES, "script"})
_SCRIPT_HINT = "node, python: a path; npm: a script of package.json; module: its dotted name; fastapi: main:app."


@dataclass(frozen=True)
class FieldProblem:
    """One thing that is wrong with one field, and what to do about it."""

    field: str
    message: str
    hint: str = ""

    def as_json(self) -> dict[str, str]:
        return {"field": self.field, "message": self.message, "hint": self.hint}


def problems_in(document: Any) -> list[FieldProblem]:
    """Given a parsed JSON value, return everything that keeps it from describing an app; empty when nothing does."""
    if not isinstance(document, Mapping):
        return [FieldProblem("", "not a JSON object", "Send the app's fields as one object.")]
    return list(_problems(document))


def renamed(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with its fields' own names, where the other accepted ones were used."""
    return {ALIASES.get(name, name): value for name, value in document.items()}


def _problems(document: Mapping[str, Any]) -> Iterator[FieldProblem]:
    for name in document:
        if not isinstance(name, str) or ALIASES.get(name, name) not in FIELDS:
            yield FieldProblem(
                f"{str(name)[:60]!a}"[1:-1], "not a field of an app", f"Fields: {', '.join(sorted(FIELDS))}."
            )
        elif name in ALIASES and ALIASES[name] in document:
            yield FieldProblem(name, f"given twice, also as {ALIASES[name]}", "Give it once.")
    values = renamed(document)
    for name in REQUIRED:
        if name not in values:
            yield FieldProblem(name, "missing", _SCRIPT_HINT if name == "script" else _RULES[name][1])
    for name, (rule, hint) in _RULES.items():
        if name in values and not (values[name] is None and name in NULLABLE):
            message = rule(values[name])
            if message is not None:
                yield FieldProblem(name, message, hint)
    yield from _problems_together(values)


def _problems_together(values: Mapping[str, Any]) -> Iterator[FieldProblem]:
    """What one field makes of another. A field that is wrong by itself has been told already."""
    kind = values.get("kind")
    rule = rules.SCRIPT_RULES[AppKind(kind)] if rules.one_of(AppKind)(kind) is None else rules.any_script
    if "script" in values and (message := rule(values["script"])) is not None:
        yield FieldProblem("script", message, _SCRIPT_HINT)
    arguments = values.get("arguments", ())
    is_for_npm = kind == AppKind.NPM.value and rules.arguments(arguments) is None
    if is_for_npm and (message := rules.npm_arguments(arguments)) is not None:
        yield FieldProblem("arguments", message, "Run the app as node, or put the value into the environment.")
    environment, port = values.get("environment", {}), values.get("port")
    if rules.environment(environment) is None and port is not None and environment.get("PORT", str(port)) != str(port):
        yield FieldProblem("port", "another than PORT in the environment", "Give the port once, as `port`.")
    for name in ("after", "wants"):
        units = values.get(name, ())
        if rules.units(units) is None and unit_name(str(values.get("name"))) in units:
            yield FieldProblem(name, "the app itself", "Name other units.")
