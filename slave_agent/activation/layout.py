"""Where everything of an activation lies on the slave, for each scope. Pure: nothing here touches the disk."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from slave_agent.activation.errors import ActivationError
from slave_agent.activation.states import Scope

SYSTEM_OPT = Path("/opt/d8-agent")
AGENT_USER = "d8-agent"
HELPER_FOLDER = Path("/run/d8-agent-helper")


@dataclass(frozen=True)
class Layout:
    """The folders of one installation: `opt` code, `etc` settings, `var` the agent's state, `units` the unit files."""

    scope: Scope
    opt: Path
    etc: Path
    var: Path
    units: Path
    runtime_units: Path
    python: str = "/usr/bin/python3"

    def release(self, commit: str) -> Path:
        return self.opt / "releases" / commit

    @property
    def current(self) -> Path:
        """The link that says which release runs; one rename switches code, settings and commit together."""
        return self.opt / "current"

    @property
    def control(self) -> Path:
        """Link to the owner's copy of this code, which guard, swap and helper run from (releases come and go)."""
        return self.opt / "control"

    @property
    def launcher(self) -> Path:
        return self.control / "d8-activate"

    @property
    def state(self) -> Path:
        return self.opt / "state"

    @property
    def record(self) -> Path:
        return self.state / "handover.json"

    @property
    def agent_settings(self) -> Path:
        """/etc/d8-agent/agent.json: a link through `current`, so that a release always runs with its own settings."""
        return self.etc / "agent.json"

    @property
    def bootstrap_server(self) -> Path:
        return self.opt / "bootstrap" / "slave_server.py"

    @property
    def bootstrap_folder(self) -> Path:
        return self.etc / "bootstrap"

    @property
    def bootstrap_config(self) -> Path:
        return self.bootstrap_folder / "config.json"

    @property
    def credentials(self) -> Path:
        return self.var / "credentials.json"

    @property
    def release_key(self) -> Path:
        """The fleet's public key for releases: what it has signed, and nothing else, may become an update."""
        return self.etc / "release-key"

    @property
    def helper_socket(self) -> Path | None:
        return HELPER_FOLDER / "helper.sock" if self.scope is Scope.SYSTEM else None

    def command(self, *words: str) -> list[str]:
        """The argv that runs a verb of the activation from the control copy."""
        return [self.python, "-I", str(self.launcher), *words]


def layout_for(scope: Scope, opt: Path, home: Path, user_id: int, python: str = "") -> Layout:
    """Given the scope, the folder that holds `releases/`, the user's home and id: return where everything lies."""
    interpreter = python or sys.executable or "/usr/bin/python3"
    if scope is Scope.SYSTEM:
        return Layout(
            scope,
            opt=SYSTEM_OPT,
            etc=Path("/etc/d8-agent"),
            var=Path("/var/lib/d8-agent"),
            units=Path("/etc/systemd/system"),
            runtime_units=Path("/run/systemd/system"),
            python=interpreter,
        )
    tree = opt.parent
    return Layout(
        scope,
        opt=opt,
        etc=tree / "etc",
        var=tree / "var",
        units=home / ".config/systemd/user",
        runtime_units=Path(f"/run/user/{user_id}/systemd/user"),
        python=interpreter,
    )


def opt_folder(code_home: Path) -> Path:
    """Given the folder that holds d8-activate, return the opt folder around it.

    Raises ActivationError when the release was unpacked somewhere else: guard and units must find it again.
    """
    if code_home.parent.name in ("releases", "controls"):
        return code_home.parent.parent
    raise ActivationError(
        f"The release lies in {code_home}, where nothing would find it again.",
        f"Unpack it to {SYSTEM_OPT}/releases/COMMIT (with root) or ~/.local/share/d8-agent/opt/releases/COMMIT.",
    )
