"""Imports run one way, and each door to the outside has one module. Read from the source, nothing is imported."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]

# The master's rooms from the outside in: a room may import the ones below it and itself.
MASTER_LAYERS = (
    ("d8.cli",),
    ("d8.menu",),
    ("d8.actions",),
    ("d8.build", "d8.installers"),
    ("d8.congress",),
    ("d8.fleet", "d8.commands"),
    ("d8.first_run",),
    ("d8.source",),
    ("d8.shell", "d8.masking", "d8.settings", "d8.processes"),
    ("d8.app_errors",),
    ("d8.models", "d8.app_models", "d8.files", "d8.causes", "d8.locale", "d8.host_names", "d8.paths"),
    ("d8.errors",),
    ("d8.messages",),
)
AGENT_LAYERS = (
    ("slave_agent.healthcheck",),  # a process of its own that looks at the agent as the activation does
    ("slave_agent.privileged",),  # root's helper and the activation are asked by socket and process, never imported
    ("slave_agent.activation",),
    ("slave_agent.__main__",),
    ("slave_agent.app", "slave_agent.server"),
    ("slave_agent.asgi", "slave_agent.routes", "slave_agent.api", "slave_agent.panel"),
    ("slave_agent.services",),
    ("slave_agent.orchestrator", "slave_agent.logs"),
    (
        "slave_agent.access_log",
        "slave_agent.access_tokens",
        "slave_agent.audit",
        "slave_agent.sessions",
        "slave_agent.webhook_store",
    ),
    ("slave_agent.privilege_choice",),
    (
        "slave_agent.helper_privilege",
        "slave_agent.own_privilege",
        "slave_agent.no_privilege",
        "slave_agent.permissions",
    ),
    ("slave_agent.activation_client", "slave_agent.credentials", "slave_agent.monitor", "slave_agent.privilege"),
    ("slave_agent.certificates", "slave_agent.helper_client", "slave_agent.process_runner", "slave_agent.settings"),
    ("slave_agent.door", "slave_agent.host_rules", "slave_agent.listening", "slave_agent.systemd_link"),
    ("slave_agent.json_lines",),
    ("slave_agent.token_hashes", "slave_agent.durable_files", "slave_agent.webhook"),
    ("slave_agent.models",),
    ("slave_agent.errors", "slave_agent.states"),
    ("slave_agent.bootstrap", "slave_agent.systemd"),
)
# Parts that travel alone, or run as somebody else: what of the slave's code each may import.
APART = {
    "slave_agent.bootstrap": ("slave_agent.bootstrap",),
    "slave_agent.activation": ("slave_agent.activation", "slave_agent.systemd"),
    "slave_agent.privileged": ("slave_agent.privileged", "slave_agent.activation", "slave_agent.systemd"),
    "slave_agent.systemd": ("slave_agent.systemd",),
}
DOORS = {
    # library: the only modules that may import it
    "questionary": ["d8.menu.prompts"],
    "prompt_toolkit": ["d8.menu.prompts", "d8.menu.chooser"],
    "rich": ["d8.menu.views.*"],
    "click": ["d8.cli.*"],
    "sqlalchemy": ["d8.fleet.registry", "d8.fleet.database", "d8.fleet.*_store"],
    "cryptography": ["d8.fleet.trust", "d8.fleet.release_signing"],
    "requests": ["d8.fleet.agent_client", "d8.fleet.deadline", "d8.congress.telegram"],
    "urllib3": ["d8.fleet.deadline"],
    "websockets": ["d8.fleet.log_stream"],
    "jinja2": ["d8.installers.*", "slave_agent.panel.views"],
    "dotenv": ["d8.settings", "d8.actions.app_form"],
    "psutil": ["slave_agent.monitor.*"],
    "uvicorn": ["slave_agent.server", "slave_agent.__main__"],
}
SENT_TO_THE_SLAVE = "d8.commands.preflight_probe"  # a script that runs there, not a module of the master
RUN_ON_WINDOWS = "d8.installers.templates.install_slave"  # so is this one, carried by the .bat
MASTER_DOORS = {
    "socket": ["d8.fleet.handshake", "d8.actions.master_address", SENT_TO_THE_SLAVE],
    "ssl": ["d8.fleet.handshake"],
    "subprocess": ["d8.processes", SENT_TO_THE_SLAVE, RUN_ON_WINDOWS],
    "urllib.request": [],
    "http.client": [],
}
SLAVE_DOORS = {
    "subprocess": [
        "slave_agent.process_runner",
        "slave_agent.bootstrap.launcher",  # a supervisor for each job
        "slave_agent.bootstrap.supervisor",  # the job itself
        "slave_agent.bootstrap.plain_supervisor",  # the same where there are no POSIX processes
        "slave_agent.bootstrap.containment",  # the transient unit that a job's root children stay in
        "slave_agent.bootstrap.daemon",  # --start
        "slave_agent.bootstrap.port_owner",  # who holds the port
        "slave_agent.activation.commands",
        "slave_agent.privileged.*",
    ],
}
STANDARD_LIBRARY_ONLY = (
    "slave_agent.bootstrap",
    "slave_agent.activation",
    "slave_agent.privileged",
    "slave_agent.systemd",
    "d8.first_run",
)


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the product by its dotted name."""
    found = {}
    for package in ("d8", "slave_agent"):
        for path in sorted((PROJECT / package).rglob("*.py")):
            name = ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
            found[name] = ast.parse(path.read_text(), str(path))
    return found


def imports_of(name: str) -> Iterator[str]:
    """Yield the dotted names that a module imports, also inside functions, but not those for type checkers alone."""
    tree = modules()[name]
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in modules() else str(node.module)


def is_in(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def layer_of(name: str, layers: tuple[tuple[str, ...], ...]) -> int | None:
    return next((index for index, rooms in enumerate(layers) if any(is_in(name, room) for room in rooms)), None)


@pytest.mark.parametrize(("layers", "package"), [(MASTER_LAYERS, "d8"), (AGENT_LAYERS, "slave_agent")])
def test_imports_run_one_way(layers: tuple[tuple[str, ...], ...], package: str) -> None:
    wrong = []
    for name in modules():
        own = layer_of(name, layers)
        for imported in imports_of(name):
            other = layer_of(imported, layers)
            if is_in(name, package) and own is not None and other is not None and other < own:
                wrong.append(f"{name} imports {imported}")
    assert not wrong


@pytest.mark.parametrize(("layers", "package"), [(MASTER_LAYERS, "d8"), (AGENT_LAYERS, "slave_agent")])
def test_every_room_has_its_place_in_the_order(layers: tuple[tuple[str, ...], ...], package: str) -> None:
    placed = [name for name in modules() if is_in(name, package) and name != package]
    assert [name for name in placed if layer_of(name, layers) is None] == []
    rooms = [room for layer in layers for room in layer]
    assert [room for room in rooms if room not in modules()] == [], "a room that is not there any more"


def test_what_is_imported_is_there() -> None:
    """A leftover .pyc, or an import inside a function, hides a module that was renamed."""
    assert [
        f"{name} imports {imported}"
        for name in modules()
        for imported in imports_of(name)
        if imported.split(".")[0] in ("d8", "slave_agent") and imported not in modules()
    ] == []


def test_neither_side_imports_the_other() -> None:
    assert [
        name for name in modules() if is_in(name, "d8") for other in imports_of(name) if is_in(other, "slave_agent")
    ] == []
    assert [
        name for name in modules() if is_in(name, "slave_agent") for other in imports_of(name) if is_in(other, "d8")
    ] == []


def outside(doors: dict[str, list[str]], package: str) -> list[str]:
    """The modules of a package that use a library without being its door."""
    return [
        f"{name} imports {imported}"
        for name in modules()
        if is_in(name, package)
        for imported in imports_of(name)
        for library, allowed in doors.items()
        if is_in(imported, library) and not any(fnmatch(name, pattern) for pattern in allowed)
    ]


@pytest.mark.parametrize(
    ("doors", "package"), [(DOORS, "d8"), (DOORS, "slave_agent"), (MASTER_DOORS, "d8"), (SLAVE_DOORS, "slave_agent")]
)
def test_each_door_has_its_module(doors: dict[str, list[str]], package: str) -> None:
    assert outside(doors, package) == []


@pytest.mark.parametrize("room", STANDARD_LIBRARY_ONLY)
def test_some_rooms_use_the_standard_library_alone(room: str) -> None:
    foreign = [
        f"{name} imports {imported}"
        for name in modules()
        if is_in(name, room)
        for imported in imports_of(name)
        if imported.split(".")[0] not in sys.stdlib_module_names and imported.split(".")[0] not in ("d8", "slave_agent")
    ]
    assert foreign == []


@pytest.mark.parametrize("room", [room for room in STANDARD_LIBRARY_ONLY if room.startswith("slave_agent.")])
def test_what_runs_on_the_slaves_own_python_parses_on_3_9(room: str) -> None:
    names = [name for name in modules() if is_in(name, room)]
    assert names
    for name in names:
        path = PROJECT.joinpath(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        ast.parse(path.read_text(), str(path), feature_version=(3, 9))


@pytest.mark.parametrize("room", APART)
def test_what_runs_apart_imports_only_its_own(room: str) -> None:
    foreign = [
        f"{name} imports {imported}"
        for name in modules()
        if is_in(name, room)
        for imported in imports_of(name)
        if is_in(imported, "slave_agent") and not any(is_in(imported, own) for own in APART[room])
    ]
    assert foreign == []


def test_the_first_run_needs_nothing_that_it_installs() -> None:
    """What d8.first_run reaches, through any number of imports, is there before .venv is."""
    reached, waiting = set(), [name for name in modules() if is_in(name, "d8.first_run")]
    while waiting:
        name = waiting.pop()
        if name in reached or name not in modules():
            continue
        reached.add(name)
        for imported in imports_of(name):
            top = imported.split(".")[0]
            assert top in sys.stdlib_module_names or top == "d8", f"{name} imports {imported}"
            waiting.append(imported)


def test_every_module_says_what_it_is_for() -> None:
    assert [name for name, tree in modules().items() if not ast.get_docstring(tree)] == []
