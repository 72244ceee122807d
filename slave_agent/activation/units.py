"""Renders the unit files from their templates. Pure: from layout and values to names and texts, nothing written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from string import Template

from slave_agent.activation.errors import ActivationError
from slave_agent.activation.layout import Layout
from slave_agent.activation.states import Runtime, Scope

TEMPLATES = Path(__file__).with_name("templates")
SOCKET = "d8-agent.socket"
AGENT = "d8-agent.service"
STAGING = "d8-agent-staging.service"
BOOTSTRAP = "d8-bootstrap.service"
GUARD = "d8-guard.service"
GUARD_TIMER = "d8-guard.timer"
HELPER_SOCKET = "d8-helper.socket"
HELPER = "d8-helper@.service"
HELPER_INSTANCES = "d8-helper@*.service"
ADOPT = "d8-adopt.service"
HANDOVER = "d8-handover.service"
UPDATE = "d8-update.service"

DOCKER = "docker.service"

# Else the starts that failed would count against the next one, by which the agent comes back.
FORGET_SYSTEM = f"-+systemctl reset-failed {AGENT}"
FORGET_USER = f"-systemctl --user reset-failed {AGENT}"
IF_IT_FAILS = f"OnFailure={BOOTSTRAP}\nStartLimitIntervalSec=120\nStartLimitBurst=4"
IF_IT_FAILS_ALONE = "StartLimitIntervalSec=0"  # with nobody to take its place, it is started again and again

LONGEST_PERIOD_SECONDS = 10.0
SERVERS = (SOCKET, AGENT, BOOTSTRAP, GUARD, GUARD_TIMER)


@dataclass(frozen=True)
class UnitValues:
    """What the templates need beyond the layout. The period of the guard is in seconds; `bootstrap_user` is None where
    there is no bootstrap.
    """

    port: int
    bind: str
    bootstrap_user: str | None
    bootstrap_home: Path
    guard_period_seconds: float


def unit_names(scope: Scope) -> tuple[str, ...]:
    """The unit files that belong to an installation of this scope."""
    return (*SERVERS, HELPER_SOCKET, HELPER) if scope is Scope.SYSTEM else SERVERS


def render_units(layout: Layout, values: UnitValues, runtime: Runtime = Runtime.VENV) -> dict[str, str]:
    """Return the text of every unit of the scope, by name. Raises ActivationError for a path no unit could carry."""
    words, has_bootstrap = _words(layout, values), values.bootstrap_user is not None
    left_out = (AGENT,) if has_bootstrap else (AGENT, BOOTSTRAP)
    others = {name: _render(name, words) for name in unit_names(layout.scope) if name not in left_out}
    return {**others, AGENT: render_agent_unit(layout, runtime, has_bootstrap)}


def render_agent_unit(layout: Layout, runtime: Runtime, has_bootstrap: bool = True) -> str:
    """Return the agent's unit as it fits what the current release runs in, and who may come when it keeps failing."""
    words = {
        "when_it_fails": IF_IT_FAILS if has_bootstrap else IF_IT_FAILS_ALONE,
        "current": _path(layout.current),
        "settings": _path(layout.agent_settings),
        "agent_service": _agent_service(layout.scope, runtime, AGENT),
        "started_with": _started_with(layout, runtime),
    }
    return _render(AGENT, words)


def render_staging_unit(layout: Layout, release: Path, port: int, runtime: Runtime = Runtime.VENV) -> str:
    """Return the unit that tries a release on a loopback port, in the same sandbox as the agent's own unit."""
    agent_service = _agent_service(layout.scope, runtime, STAGING)
    return _render(STAGING, {"release": _path(release), "staging_port": str(port), "agent_service": agent_service})


def render_adopt_unit(layout: Layout) -> str:
    """Return the unit that turns cron and nohup installations into user units once a user manager runs."""
    return _render(ADOPT, {"adopt_command": _command(layout, "adopt")})


def guard_period_seconds(confirm_timeout_seconds: float) -> float:
    """Five looks fit into the confirm timeout, so that two misses and the way back do as well; and into one minute,
    whatever the timeout, for so long the port may be without an answer."""
    return min(LONGEST_PERIOD_SECONDS, max(0.5, round(confirm_timeout_seconds / 5, 1)))


def _words(layout: Layout, values: UnitValues) -> dict[str, str]:
    is_system = layout.scope is Scope.SYSTEM
    bind = f"[{values.bind}]" if ":" in values.bind else values.bind
    return {
        "port": str(values.port),
        "listen": str(values.port) if values.bind in ("0.0.0.0", "::") else f"{bind}:{values.port}",
        "boot_target": boot_target(layout),
        "bootstrap_identity": f"User={values.bootstrap_user}" if is_system else "# as the user of this manager",
        "bootstrap_home": _path(values.bootstrap_home),
        "python": _path(Path(layout.python)),
        "bootstrap_server": _path(layout.bootstrap_server),
        "bootstrap_config": _path(layout.bootstrap_config),
        "forget_failed_agent": FORGET_SYSTEM if is_system else FORGET_USER,
        "guard_command": _command(layout, "guard"),
        "guard_period": f"{values.guard_period_seconds:g}s",
        "helper_socket": str(layout.helper_socket),
        "helper_command": f"{_path(Path(layout.python))} -I {_path(layout.control / 'd8-helper')}",
    }


def boot_target(layout: Layout) -> str:
    return "multi-user.target" if layout.scope is Scope.SYSTEM else "default.target"


def _started_with(layout: Layout, runtime: Runtime) -> str:
    """What starts the enabled agent: the boot, and Docker where it can't do without. So the agent whose place the
    bootstrap took while Docker was dead is back when Docker is."""
    return f"{boot_target(layout)} {DOCKER}" if runtime is Runtime.DOCKER else boot_target(layout)


def _agent_service(scope: Scope, runtime: Runtime, unit: str) -> str:
    """The lines that sandbox the agent; a container has its own sandbox, and these lines are for its keeper."""
    if runtime is Runtime.DOCKER:
        return _render("agent_service.docker", {"runtime_folder": unit.removesuffix(".service")}).rstrip("\n")
    name = "agent_service.system" if scope is Scope.SYSTEM else "agent_service.user"
    return (TEMPLATES / name).read_text(encoding="utf-8").rstrip("\n")


def _command(layout: Layout, *words: str) -> str:
    return " ".join([_path(Path(layout.python)), "-I", _path(layout.launcher), *words])


def _path(path: Path) -> str:
    """A path as a unit takes it: `%` doubled; blanks, quotes and control characters are refused, not guessed at."""
    text = str(path)
    if not path.is_absolute() or not text.isprintable() or any(sign in text for sign in " \"'\\$;"):
        raise ActivationError(f"No unit can carry the path {text!r}.", "Install under a path without blanks or quotes.")
    return text.replace("%", "%%")


def _render(name: str, words: dict[str, str]) -> str:
    return Template((TEMPLATES / name).read_text(encoding="utf-8")).substitute(words)
