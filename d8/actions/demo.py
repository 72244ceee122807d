"""The main job for real on this machine: a slave in a temporary home, on loopback, without root, apt or systemd."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from d8.actions.build import build_slave
from d8.actions.installer import InstallerMade, make_installer
from d8.actions.leftovers import end_processes_of
from d8.actions.master_address import free_port
from d8.actions.remove import remove_slave
from d8.actions.trust import show_trust
from d8.actions.workplace import Workplace
from d8.build.events import Observer
from d8.errors import D8Error, Refused
from d8.files import private_folder
from d8.fleet.names import Address
from d8.models import BuildReport
from d8.processes import run
from d8.settings import Settings

LOOPBACK = "127.0.0.1"
START_TIMEOUT_SECONDS = 120.0
CURL_TIMEOUT_SECONDS = 30.0
# What would let the slave reach this machine's session, or settle it by the operator's own settings.
NOT_INHERITED = ("XDG_", "DBUS_", "D8_", "LISTEN_", "NOTIFY_", "SLAVE_AUTH_TOKEN", "GIT_TOKEN", "TELEGRAM_", "SUDO_")


class Demo:
    """One run of the demo. Given the operator's settings, of which only the language and the times are used."""

    def __init__(self, settings: Settings) -> None:
        if not sys.platform.startswith("linux"):
            raise Refused("the demo runs a slave on this machine, and slaves run Linux", "Run it on a Linux machine.")
        self.folder = Path(tempfile.mkdtemp(prefix="d8-demo-"))
        try:
            self.home = private_folder(self.folder / "home")
            self.settings = demo_settings(settings, self.folder, free_port())
            self.workplace = Workplace(self.settings)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self.address = Address(LOOPBACK, self.settings.slave_port)
        self._report: BuildReport | None = None

    def make_installer(self) -> InstallerMade:
        """Option 10, with a script that touches nothing outside the temporary home."""
        return make_installer(self.workplace, datetime.now(UTC), privilege="none")

    def run_installer(self, made: InstallerMade) -> str:
        """Given the script, run it as a slave's owner would; return what it printed. Raises D8Error."""
        copy = self.home / made.script.name
        shutil.copy2(made.script, copy)
        done = run(
            ["sh", copy, "--start"],
            timeout_seconds=START_TIMEOUT_SECONDS,
            cwd=self.home,
            environment=slave_environment(os.environ, self.home),
        )
        output = f"{done.text}\n{done.stderr}".strip()
        if done.exit_code != 0:
            raise D8Error("the install script failed: {reason}", "Its output says why.", reason=output[-2000:])
        return output

    def build(self, observer: Observer) -> BuildReport:
        """Option 11. Return the report."""
        self._report = build_slave(self.workplace, self.address, observer)
        return self._report

    def curl_line(self, slave_id: str) -> str:
        """Given the slave, return the line that calls it from any shell."""
        return show_trust(self.workplace, (slave_id,)).lines[0].command

    def try_curl(self, line: str) -> str:
        """Given that line, run it and return the answer. Raises D8Error when the agent does not answer it."""
        done = run(shlex.split(line), timeout_seconds=CURL_TIMEOUT_SECONDS)
        if done.exit_code == 127:
            return ""
        if done.exit_code != 0:
            raise D8Error(
                "curl failed: {reason}",
                "Start the demo again; if it repeats, start_d8.py doctor may say why.",
                reason=done.stderr.strip()[-500:],
            )
        return done.text

    def say_goodbye(self) -> None:
        """Let the agent uninstall itself, as option 16 does. Raises D8Error when it can't."""
        if self._report and self._report.slave:
            remove_slave(self.workplace, self._report.slave.slave_id, forget=False)

    def clean_up(self) -> None:
        """End whatever still runs and remove the folders. Raises D8Error that names what is left."""
        self.workplace.close()
        left = end_processes_of(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        if left or self.folder.exists():
            raise D8Error(
                "the demo could not clean up: processes {pids}, folder {folder}",
                "End and remove them by hand.",
                pids=left,
                folder=self.folder,
            )


def demo_settings(settings: Settings, folder: Path, port: int) -> Settings:
    """Given the operator's settings, a folder and a port, return settings apart from the real fleet. Pure."""
    return replace(
        settings,
        data_dir=folder / "master",
        installer_dir=folder / "installers",
        master_address=LOOPBACK,
        slave_port=port,
        slave_bind=LOOPBACK,
        tls=True,
        slave_auth_token=None,
        installer_days=1,
        repo_url=None,
        git_token=None,
        telegram_bot_token=None,
        telegram_chat_id=None,
    )


def slave_environment(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """Given this process's environment and the slave's home, return the environment of the slave's owner. Pure."""
    kept = {name: value for name, value in environ.items() if not name.startswith(NOT_INHERITED)}
    return {**kept, "HOME": str(home), "TMPDIR": str(home), "TERM": "dumb"}
