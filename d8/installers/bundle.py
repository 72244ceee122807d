"""Joins the modules of the bootstrap to one readable file, `slave_server.py`. Text to text; it writes nothing."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

BOOTSTRAP_FOLDER = Path(__file__).resolve().parents[2] / "slave_agent" / "bootstrap"
BOOTSTRAP_PACKAGE = "slave_agent.bootstrap"
ENTRY_MODULE = "main"
NOT_BUNDLED = ("__init__", "__main__")
WIDTH = 116

HEADER = '''#!/usr/bin/env python3
"""D8 bootstrap server: lets the master that made its install script run commands here, until the D8 agent takes over.

Standard library only. Its settings and secrets are in config.json beside it. This file is put together from the modules
of slave_agent/bootstrap in the D8 repository: read and change it there.
"""

from __future__ import annotations
'''


class BundleError(Exception):
    """The modules can't be joined: the message names the two that clash."""


@dataclass(frozen=True)
class Module:
    """One source file, taken apart: what it says of itself, what it imports, and the rest."""

    name: str
    docstring: str
    needs: frozenset[str]
    plain_imports: frozenset[str]
    from_imports: frozenset[tuple[str, str]]
    names: frozenset[str]
    body: str


def bootstrap_sources(folder: Path = BOOTSTRAP_FOLDER) -> dict[str, str]:
    """Return the text of each module of the bootstrap by its name."""
    paths = (path for path in sorted(folder.glob("*.py")) if path.stem not in NOT_BUNDLED)
    return {path.stem: path.read_text(encoding="utf-8") for path in paths}


def bundle(sources: Mapping[str, str]) -> str:
    """Given the text of each module by name, return one file: header, imports, then the modules in the order of need.

    Raises BundleError where two modules define the same name, for one would silently win.
    """
    modules = {name: take_apart(name, text) for name, text in sources.items()}
    refuse_clashes(modules.values())
    order = TopologicalSorter({module.name: sorted(module.needs) for module in modules.values()}).static_order()
    sections = [heading(modules[name]) + "\n\n" + modules[name].body for name in order]
    return "\n\n".join([HEADER + "\n" + imports(modules.values()), *sections]) + "\n"


def take_apart(name: str, text: str) -> Module:
    """Given a module's source, return its parts. Its own imports, `__all__` and docstring leave the body."""
    tree = ast.parse(text)
    lines = text.splitlines()
    needs: set[str] = set()
    plain: set[str] = set()
    members: set[tuple[str, str]] = set()
    dropped: list[ast.stmt] = [tree.body[0]]
    for node in tree.body:
        if isinstance(node, ast.Import):
            plain.update(alias.name for alias in node.names)
            dropped.append(node)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if origin.startswith(BOOTSTRAP_PACKAGE + "."):
                needs.add(origin.rpartition(".")[2])
            elif origin != "__future__":
                members.update((origin, alias.name) for alias in node.names)
            dropped.append(node)
        elif _is_list_of_exports(node) or (_is_entry(node) and name != ENTRY_MODULE):
            dropped.append(node)
    body = "\n".join(without(lines, dropped)).strip()
    docstring = ast.get_docstring(tree) or ""
    return Module(name, docstring, frozenset(needs), frozenset(plain), frozenset(members), _defined(tree), body)


def without(lines: list[str], nodes: Iterable[ast.stmt]) -> list[str]:
    """Return the lines that belong to none of these statements."""
    gone = {number for node in nodes for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    return [line for number, line in enumerate(lines, 1) if number not in gone]


def _is_list_of_exports(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _is_entry(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _defined(tree: ast.Module) -> frozenset[str]:
    """Return the names that a module defines at its top level."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return frozenset(names - {"__all__"})


def refuse_clashes(modules: Iterable[Module]) -> None:
    """Raise BundleError where two modules define the same name."""
    owners: dict[str, str] = {}
    for module in modules:
        for name in sorted(module.names):
            if name in owners:
                raise BundleError(f"{owners[name]}.py and {module.name}.py of the bootstrap both define {name}.")
            owners[name] = module.name


def imports(modules: Iterable[Module]) -> str:
    """Return the import lines for all modules together, sorted as isort does."""
    everything = list(modules)
    plain = sorted({name for module in everything for name in module.plain_imports})
    members: dict[str, set[str]] = {}
    for module in everything:
        for origin, name in module.from_imports:
            members.setdefault(origin, set()).add(name)
    return "\n".join(
        [f"import {name}" for name in plain] + [_from_import(origin, members[origin]) for origin in sorted(members)]
    )


def _from_import(origin: str, names: set[str]) -> str:
    in_order = sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    line = f"from {origin} import {', '.join(in_order)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"from {origin} import (", *(f"    {name}," for name in in_order), ")"])


def heading(module: Module) -> str:
    """Return what stands above a module's code: its name, and what it says of itself."""
    rule = "# " + "-" * (WIDTH - 2)
    paragraphs = module.docstring.split("\n\n")
    text = "\n#\n".join(textwrap.fill(part, WIDTH, initial_indent="# ", subsequent_indent="# ") for part in paragraphs)
    return f"{rule}\n# {module.name}\n#\n{text}\n{rule}"
