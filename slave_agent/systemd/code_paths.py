"""Which files an app runs, as far as they can be told without running it: script, module, npm's script, interpreter."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Optional

from slave_agent.systemd.interpreters import USUAL_FOLDERS
from slave_agent.systemd.probe import Kind, Probe
from slave_agent.systemd.service_config import ServiceConfig
from slave_agent.systemd.states import AppKind

SCRIPT_IS_A_FILE = (AppKind.NODE, AppKind.PYTHON)
_MOST_WORDS = 50


def code_paths(config: ServiceConfig, probe: Probe, interpreter: Optional[str]) -> tuple[tuple[str, str], ...]:
    """Given an app, how the host is looked at, and its interpreter if known, return fields and the paths they name.

    Paths that are not there are among them. What a script loads by itself is not followed.
    """
    folder = PurePosixPath(config.working_dir)
    paths: list[tuple[str, str]] = []
    if config.kind in SCRIPT_IS_A_FILE:
        paths.append(("script", config.script))
    else:
        paths.append(("working_dir", config.working_dir))
    if config.kind in (AppKind.MODULE, AppKind.FASTAPI):
        paths += [("script", path) for path in _module_files(folder, config.script.partition(":")[0])]
    if config.kind is AppKind.NPM:
        paths += [("script", path) for path in _npm_files(folder, config.script, probe)]
    if interpreter is not None:
        paths.append(("interpreter", interpreter))
        if config.kind is AppKind.NPM:
            node = next((one for one in node_places(interpreter) if probe.look(one).is_executable), None)
            paths += [] if node is None else [("interpreter", node)]
    return tuple(dict.fromkeys(paths))


def node_places(npm: str) -> tuple[str, ...]:
    """Return where npm, a script, finds node: where it itself lies, or on the usual path."""
    return tuple(f"{folder}/node" for folder in (npm.rpartition("/")[0], *USUAL_FOLDERS))


def npm_scripts(text: Optional[str]) -> Optional[Mapping[str, object]]:
    """Return the scripts of a package.json by name, or None for a text that is none."""
    try:
        scripts = json.loads(text or "").get("scripts", {})
        return {str(name): scripts[name] for name in scripts}
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None


def package_json(config: ServiceConfig) -> str:
    """Return where npm reads an app's scripts."""
    return f"{config.working_dir.rstrip('/')}/package.json"


def _module_files(folder: PurePosixPath, module: str) -> Iterator[str]:
    """Every file in the app's folder that Python may read to import a module: its packages, and itself in each form."""
    at = folder
    for name in module.split("."):
        at = at / name
        yield f"{at}.py"
        yield str(at / "__init__.py")
    yield str(at / "__main__.py")


def _npm_files(folder: PurePosixPath, script: str, probe: Probe) -> Iterator[str]:
    """package.json, and each file that the words of its script name: in the app's folder or among its programs."""
    yield str(folder / "package.json")
    scripts = npm_scripts(probe.text_of(str(folder / "package.json"))) or {}
    for name in (f"pre{script}", script, f"post{script}"):
        for word in _words(scripts.get(name)):
            for path in (folder / word, folder / "node_modules/.bin" / word):
                if probe.look(str(path)).kind is Kind.FILE:
                    yield str(path)


def _words(command: object) -> list[str]:
    if not isinstance(command, str):
        return []
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    return [word for word in words if "\0" not in word][:_MOST_WORDS]
