"""What keeps an app from running on this host, seen by the app's own user: everything at once, each with its field.

Runs as that user; who becomes it, and how, is the caller's business. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from slave_agent.systemd.accounts import Account
from slave_agent.systemd.code_paths import SCRIPT_IS_A_FILE, node_places, npm_scripts, package_json
from slave_agent.systemd.hardening import has_own_tmp
from slave_agent.systemd.host_probe import HostProbe
from slave_agent.systemd.interpreters import candidates
from slave_agent.systemd.path_checks import foreign_problems, hidden_problems
from slave_agent.systemd.probe import Kind, Look, Probe
from slave_agent.systemd.service_config import FieldProblem, ServiceConfig
from slave_agent.systemd.states import AppKind
from slave_agent.systemd.systemctl import Run

DEFAULT_HOST = {AppKind.FASTAPI: "127.0.0.1"}  # uvicorn's own
_GET = {
    AppKind.NODE: "Install Node.js, or name its program as interpreter.",
    AppKind.NPM: "Install Node.js with npm, or name npm as interpreter.",
}
_GET_PYTHON = "Make a .venv in the app's folder, or name its python as interpreter."


def host_problems(
    config: ServiceConfig, account: Account, run: Run, is_user: bool = False
) -> tuple[list[FieldProblem], Optional[str]]:
    """Given an app, its account, how processes are run, and whether a user's manager will run it, look at the host as
    it is now.

    Returns every problem, and the interpreter if one was found.
    """
    return problems_seen(config, account, HostProbe(run), is_user)


def path_problems(config: ServiceConfig, account: Account) -> list[FieldProblem]:
    """Given an app with the interpreter of its unit, and its account, return what others could change of what runs."""
    return list(foreign_problems(config, account, HostProbe(), config.interpreter))


def problems_seen(
    config: ServiceConfig, account: Account, probe: Probe, is_user: bool = False
) -> tuple[list[FieldProblem], Optional[str]]:
    """The same, given how the host is looked at."""
    problems = [*_folder_problems(config, probe), *_script_problems(config, probe)]
    interpreter, found = _interpreter(config, account, probe)
    problems += found
    if config.port is not None:
        problem = probe.port_problem(config.host or DEFAULT_HOST.get(config.kind), config.port)
        problems += [] if problem is None else [problem]
    if interpreter is not None and not problems:
        problems += _module_problems(config, interpreter, probe)
    problems += foreign_problems(config, account, probe, interpreter)
    if has_own_tmp(config.hardening, is_user):
        problems += hidden_problems(config, probe, interpreter)
    return problems, interpreter


def _folder_problems(config: ServiceConfig, probe: Probe) -> Iterator[FieldProblem]:
    folder = probe.look(config.working_dir)
    user = config.user
    if folder.kind is not Kind.FOLDER:
        yield FieldProblem(
            "working_dir", _absence(config.working_dir, folder, user, "folder"), "Name the app's folder."
        )
    elif not folder.is_executable:
        yield FieldProblem("working_dir", f"{user} may not enter {config.working_dir}", f"ls -ld {config.working_dir}")


def _script_problems(config: ServiceConfig, probe: Probe) -> Iterator[FieldProblem]:
    if config.kind in SCRIPT_IS_A_FILE:
        script = probe.look(config.script)
        if script.kind is not Kind.FILE:
            yield FieldProblem("script", _absence(config.script, script, config.user, "file"), "Name the app's script.")
        elif not script.is_readable:
            yield FieldProblem("script", f"{config.user} may not read {config.script}", f"ls -l {config.script}")
    if config.kind is AppKind.NPM:
        path = package_json(config)
        names = npm_scripts(probe.text_of(path))
        if names is None:
            yield FieldProblem("script", f"{path} is not there, or no package.json", "Name the folder that has it.")
        elif config.script not in names:
            known = ", ".join(sorted(names)[:10]) or "none"
            yield FieldProblem("script", f"{path} has no script {config.script}", f"It has: {known}.")


def _absence(path: str, look: Look, user: str, wanted: str) -> str:
    """Say what is wrong with what should be a file or a folder."""
    return {
        Kind.MISSING: f"there is no {path}",
        Kind.BROKEN_LINK: f"{path} is a link to what is not there",
        Kind.HIDDEN: f"{user} may not look into the folder of {path}",
    }.get(look.kind, f"{path} is no {wanted}")


def _interpreter(config: ServiceConfig, account: Account, probe: Probe) -> tuple[Optional[str], list[FieldProblem]]:
    places = candidates(config, account.home, probe.names_in)
    hint = _GET.get(config.kind, _GET_PYTHON)
    for place in places:
        look = probe.look(place)
        if look.kind is Kind.FILE and look.is_executable:
            return place, list(_node_problems(config, place, probe))
        if look.kind is Kind.BROKEN_LINK:  # an environment whose Python was replaced: going on without it would mislead
            return None, [FieldProblem("interpreter", f"{place} is a link to what is not there", hint)]
    if config.interpreter is not None:
        said = _absence(config.interpreter, probe.look(config.interpreter), config.user, "program that it may run")
        return None, [FieldProblem("interpreter", said, hint)]
    return None, [FieldProblem("interpreter", f"none found for {config.kind.value}: {', '.join(places)}", hint)]


def _node_problems(config: ServiceConfig, npm: str, probe: Probe) -> Iterator[FieldProblem]:
    """npm is a script that needs node where it itself lies, or on the usual path."""
    if config.kind is AppKind.NPM:
        places = node_places(npm)
        if not any(probe.look(place).is_executable for place in places):
            yield FieldProblem("interpreter", f"{npm} finds no node: {', '.join(places)}", _GET[AppKind.NPM])


def _module_problems(config: ServiceConfig, interpreter: str, probe: Probe) -> Iterator[FieldProblem]:
    """The app's module and uvicorn, as the interpreter finds them; their code is not run."""
    if config.kind not in (AppKind.MODULE, AppKind.FASTAPI):
        return
    module = config.script.partition(":")[0].partition(".")[0]
    names = (module, "uvicorn") if config.kind is AppKind.FASTAPI else (module,)
    try:
        missing = probe.missing_modules(interpreter, config.working_dir, names)
    except OSError as problem:
        yield FieldProblem("interpreter", f"{interpreter} does not run: {str(problem)[:200]}", _GET_PYTHON)
        return
    if module in missing:
        yield FieldProblem("script", f"no module {module} in {config.working_dir}", "Name the folder that has it.")
    if "uvicorn" in missing and config.kind is AppKind.FASTAPI:
        yield FieldProblem("interpreter", f"{interpreter} has no uvicorn", f"{interpreter} -m pip install uvicorn")
